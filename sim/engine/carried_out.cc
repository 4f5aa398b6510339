// SPDX-License-Identifier: MIT
// Instructions that the engine carries out itself, because Unicorn would give a wrong result or crash: text
// comparisons with lengths of more than 31 bits or "equal ordered", a division that overflows, CMPXCHG8B and
// CMPXCHG16B, which take flags for known that are not evaluated yet, forms of CMPXCHG, NEG, SHLD, SHRD and
// PHADD that tests/differential has found, and undefined ones that it must not even translate.
#include <capstone/capstone.h>

#include <algorithm>

#include "isa/x86/control_regs.h"
#include "isa/x86/exception.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/compare_exchange.h"
#include "sim/cpu/horizontal_add.h"
#include "sim/cpu/modify_memory.h"
#include "sim/cpu/operand.h"
#include "sim/cpu/text_comparison.h"
#include "sim/engine/engine.h"
#include "sim/engine/engine_pages.h"
#include "sim/engine/instruction_decoder.h"
#include "sim/engine/unicorn.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

bool has_explicit_lengths(Instruction id) {
    return id == Instruction::PCMPESTRI || id == Instruction::PCMPESTRM;
}

// REX and VEX included, which are instructions of their own in other than 64-bit code.
bool may_be_prefix(std::byte byte) {
    switch (std::to_integer<unsigned>(byte)) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0x66:
        case 0x67:
        case 0xc4:
        case 0xc5:
        case 0xf0:
        case 0xf2:
        case 0xf3:
            return true;
        default:
            return (byte & std::byte{0xf0}) == std::byte{0x40};
    }
}

bool gives_index(Instruction id) { return id == Instruction::PCMPESTRI || id == Instruction::PCMPISTRI; }

// Unicorn takes the magnitude of 32 bits, as a 32-bit integer.
bool is_safe_length(uint64_t reg, bool wide) {
    if (!wide) return static_cast<uint32_t>(reg) != 0x80000000;
    const auto value = static_cast<int64_t>(reg);
    return value > INT32_MIN && value <= INT32_MAX;
}

unsigned capstone_id(Instruction id) {
    switch (id) {
        case Instruction::PCMPESTRI:
            return X86_INS_PCMPESTRI;
        case Instruction::PCMPESTRM:
            return X86_INS_PCMPESTRM;
        case Instruction::PCMPISTRI:
            return X86_INS_PCMPISTRI;
        case Instruction::PCMPISTRM:
            return X86_INS_PCMPISTRM;
        case Instruction::PHADD_OF_ITSELF:
            return X86_INS_PHADDW;
        case Instruction::CMPXCHG8B:
            return X86_INS_CMPXCHG8B;
        case Instruction::CMPXCHG32:
            return X86_INS_CMPXCHG;
        case Instruction::LOCK_NEG:
            return X86_INS_NEG;
        case Instruction::SHLD:
            return X86_INS_SHLD;
        case Instruction::SHRD:
            return X86_INS_SHRD;
        default:
            return X86_INS_IDIV;
    }
}

// SDM Vol. 2A table 2-21 "Type 4 Class Exception Conditions", of instructions without VEX prefix; unaligned
// operands are fine.
CpuResult check_sse(const CpuState& cpu) {
    if ((cpu.cr0() & x86::cr0::EM) != 0 || (cpu.cr4() & x86::cr4::OSFXSR) == 0) {
        return CpuResult::fault(x86::Vector::UD);
    }
    if ((cpu.cr0() & x86::cr0::TS) != 0) return CpuResult::fault(x86::Vector::NM);
    return CpuResult::ok();
}

CpuResult compare(CpuState& cpu, Mmu& mmu, Unicorn& unicorn, const StoppedInstruction& instruction) {
    if (CpuResult allowed = check_sse(cpu); !allowed.done()) return allowed;
    Text first{unicorn.read_xmm(static_cast<unsigned>(instruction.gpr2)), 0};
    Text second;
    if (instruction.has_memory) {
        CpuResult read = read_memory(cpu, mmu, instruction, std::as_writable_bytes(std::span(second.bits)));
        if (!read.done()) return read;
    } else {
        second.bits = unicorn.read_xmm(static_cast<unsigned>(instruction.gpr));
    }
    const uint8_t control = instruction.number;
    if (has_explicit_lengths(instruction.id)) {
        const bool wide = instruction.operand_size == 8;
        first.length = explicit_length(cpu.gpr(Gpr::RAX), wide, control);
        second.length = explicit_length(cpu.gpr(Gpr::RDX), wide, control);
    } else {
        first.length = implicit_length(first.bits, control);
        second.length = implicit_length(second.bits, control);
    }
    const TextComparison compared = compare_texts(first, second, control);
    if (gives_index(instruction.id)) {
        cpu.set_gpr(Gpr::RCX, match_index(compared.matches, control));
    } else {
        unicorn.write_xmm(0, match_mask(compared.matches, control));
    }
    cpu.set_rflags((cpu.rflags() & ~x86::rflags::kArithmetic) | compared.flags);
    retire(cpu, instruction.length);
    return CpuResult::ok();
}

CpuResult add_horizontally(CpuState& cpu, Unicorn& unicorn, const StoppedInstruction& instruction) {
    if (CpuResult allowed = check_sse(cpu); !allowed.done()) return allowed;
    const auto index = static_cast<unsigned>(instruction.gpr);
    unicorn.write_xmm(index, horizontal_add(unicorn.read_xmm(index), instruction.number));
    retire(cpu, instruction.length);
    return CpuResult::ok();
}

// Whatever the divisor is, its quotient has more than 32 bits.
CpuResult divide(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    std::array<std::byte, 4> divisor;
    if (instruction.has_memory) {
        CpuResult read = read_memory(cpu, mmu, instruction, divisor);
        if (!read.done()) return read;
    }
    return CpuResult::fault(x86::Vector::DE);
}

}  // namespace

bool Engine::divides_in_last_block(uint64_t linear) const {
    if (last_block_ == nullptr || last_block_->divisions.empty()) return false;
    const auto& divisions = last_block_->divisions;
    return std::ranges::find(divisions, linear - last_pc_) != divisions.end();
}

// The dividend whose quotient by -1 the host cannot divide either.
bool Engine::quotient_overflows() const {
    return static_cast<uint32_t>(state_.gpr(Gpr::RDX)) == 0x80000000 &&
           static_cast<uint32_t>(state_.gpr(Gpr::RAX)) == 0;
}

bool Engine::runs_natively(const StoppedInstruction& instruction) const {
    if (instruction.id == Instruction::IDIV32) return !instruction.undefined && !quotient_overflows();
    if (!has_explicit_lengths(instruction.id)) return false;
    const bool wide = instruction.operand_size == 8;
    return compares_right(instruction) && is_safe_length(state_.gpr(Gpr::RAX), wide) &&
           is_safe_length(state_.gpr(Gpr::RDX), wide);
}

bool Engine::on_translate(uint64_t linear) {
    asked_by_translator_ = true;
    return running_ && linear - kAliasWindow >= memory_->size() && crashes_translator(linear);
}

// Asked for each instruction that is translated: mostly its first byte says no.
bool Engine::crashes_translator(uint64_t linear) {
    std::array<std::byte, 1> first;
    const CodeSize mode = current_mode();
    if (read_code(linear, first) == 0 || !may_be_prefix(first[0])) return false;
    return decode_at(linear, mode).id == Instruction::UNTRANSLATABLE;
}

// Unicorn stops before it as before HLT. It ends the block before it, or is a block of no size, which is not
// announced: either way the last block that was has run.
bool Engine::settle_refused_instruction() {
    if (last_block_ != nullptr) {
        last_block_->stop = {};  // RIP may be between its instructions: not a place where it stops
        ran_to_the_end_of(last_block_);
    }
    if (crashes_translator(linear_rip())) {
        return stop_with_exception(static_cast<uint8_t>(x86::Vector::UD), false, 0);
    }
    unicorn_->flush_code();  // it has been overwritten, and the block of no size was not dropped
    return false;
}

CpuResult Engine::carry_out(const StoppedInstruction& instruction, CpuState& cpu) {
    switch (instruction.id) {
        case Instruction::IDIV32:
            return divide(cpu, *mmu_, instruction);
        case Instruction::CMPXCHG8B:
            return compare_exchange(cpu, *mmu_, instruction);
        case Instruction::CMPXCHG32:
            return compare_exchange_registers(cpu, instruction);
        case Instruction::LOCK_NEG:
            return negate_memory(cpu, *mmu_, instruction);
        case Instruction::SHLD:
        case Instruction::SHRD:
            return shift_memory_double(cpu, *mmu_, instruction);
        case Instruction::PHADD_OF_ITSELF:
            return add_horizontally(cpu, *unicorn_, instruction);
        default:
            return compare(cpu, *mmu_, *unicorn_, instruction);
    }
}

// True when stop_ is to be returned.
bool Engine::carry_out() {
    const StoppedInstruction found = stop_.instruction;
    const bool traps = stepping_ ? guest_tf_ : (rflags() & x86::rflags::TF) != 0;
    if (stepping_) leave_stepping();
    CpuState& cpu = edit_state();
    run_.end();  // whatever ran before it, it is an instruction alone
    const Price price = this->price(found, capstone_id(found.id));
    run_.end();
    CpuResult result = CpuResult::fault(x86::Vector::UD);
    if (!found.undefined) result = carry_out(found, cpu);
    return conclude(result, found, price, traps);
}

// Of the instruction at RIP.
Engine::Price Engine::price(const StoppedInstruction& instruction, unsigned capstone_id) {
    std::array<std::byte, kLongestInstruction> bytes;
    const uint64_t linear = state().linear_rip();
    const size_t count = read_code(linear, std::span(bytes).first(instruction.length));
    return {run_.enter(linear, capstone_id, std::span(bytes).first(count), code_bits(current_mode())),
            linear};
}

bool Engine::conclude(const CpuResult& result, const StoppedInstruction& instruction, const Price& price,
                      bool traps) {
    instruction_known_ = false;
    last_block_ = nullptr;
    if (!result.done()) return stop_with_result(result, instruction);
    set_shadow(Shadow::None);
    charge(price);
    instructions_ += 1;
    ticks_ += price.ticks;
    if (traps) return stop_with_exception(static_cast<uint8_t>(x86::Vector::DB), false, 0);
    if (stop_after_step_) return stop_with(Stop::Kind::SingleStep);
    if (ticks_ >= deadline_) return stop_with(Stop::Kind::Deadline);
    return false;
}

}  // namespace vtless::sim
