// SPDX-License-Identifier: MIT
// One instruction at a time: RFLAGS.TF with #DB intercepted, hidden from the guest.
#include <capstone/capstone.h>

#include "isa/x86/exception.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/flags.h"
#include "sim/cpu/iret.h"
#include "sim/engine/engine.h"
#include "sim/engine/instruction_decoder.h"
#include "sim/engine/unicorn.h"

namespace vtless::sim {

void Engine::enter_stepping() {
    CpuState& cpu = edit_state();
    guest_tf_ = (cpu.rflags() & x86::rflags::TF) != 0;
    cpu.set_rflags(cpu.rflags() | x86::rflags::TF);
    stepping_ = true;
}

void Engine::take_back_permissions() {
    implicit_grant_ = kNever;
    flush_after_step_ = false;
    flush_tlb();
}

void Engine::leave_stepping() {
    stepping_ = false;
    step_one_ = false;
    if (flush_after_step_) take_back_permissions();
    if (guest_tf_) return;
    CpuState& cpu = edit_state();
    cpu.set_rflags(cpu.rflags() & ~x86::rflags::TF);
}

// One instruction, or one iteration, has run.
bool Engine::step_done() {
    const bool leave = flush_after_step_ || step_one_;
    step_one_ = false;
    if (flush_after_step_) take_back_permissions();
    if (stop_after_step_) return stop_with(Stop::Kind::SingleStep);
    if (ticks_ >= deadline_) return stop_with(Stop::Kind::Deadline);
    if (leave) leave_stepping();
    return false;
}

namespace {

// The instructions that read or write TF, which must not meet ours.
struct FlagInstruction {
    unsigned capstone_id = 0;  // 0: not one of them
    CpuResult (*execute)(CpuState&, Mmu&, const StoppedInstruction&) = nullptr;
};

FlagInstruction flag_instruction(Instruction id) {
    switch (id) {
        case Instruction::PUSHF:
            return {X86_INS_PUSHFQ, [](CpuState& cpu, Mmu& mmu, const StoppedInstruction& i) {
                        return pushf(cpu, mmu, {i.operand_size, i.length});
                    }};
        case Instruction::POPF:
            return {X86_INS_POPFQ, [](CpuState& cpu, Mmu& mmu, const StoppedInstruction& i) {
                        return popf(cpu, mmu, {i.operand_size, i.length});
                    }};
        case Instruction::IRET:
            return {X86_INS_IRETQ, [](CpuState& cpu, Mmu& mmu, const StoppedInstruction& i) {
                        return iret(cpu, mmu, i.operand_size);
                    }};
        default:
            return {};
    }
}

}  // namespace

// True when stop_ is to be returned.
bool Engine::emulate_flag_instruction() {
    const StoppedInstruction found = instruction();
    if (found.id == Instruction::IRET && optional_stops_.has(OptionalStops::kIret)) return false;
    const FlagInstruction emulated = flag_instruction(found.id);
    if (emulated.execute == nullptr) return false;
    const bool traps = guest_tf_;
    leave_stepping();
    const Price price = this->price(found, emulated.capstone_id);
    const CpuResult result = emulated.execute(edit_state(), *mmu_, found);
    if (conclude(result, found, price, traps)) return true;
    enter_stepping();
    return emulate_flag_instruction();
}

bool Engine::stop_with_result(const CpuResult& result, const StoppedInstruction& instruction) {
    switch (result.kind) {
        case CpuResult::Kind::MmuExit:
            stop_.fault = result.mmu;
            return stop_with(ept_stop(result.mmu));
        case CpuResult::Kind::TaskSwitch:  // IRET with NT set: the caller's to do
            stop_.instruction = instruction;
            return stop_with(Stop::Kind::Instruction);
        default:
            break;
    }
    if (result.event.vector != static_cast<uint8_t>(x86::Vector::PF)) {
        return stop_with_exception(result.event.vector, result.event.has_error_code, result.event.error_code);
    }
    stop_.fault = {};
    stop_.fault.kind = MmuFault::Kind::PageFault;
    stop_.fault.error_code = result.event.error_code;
    stop_.fault.gva = Gva(result.cr2);
    return stop_with(Stop::Kind::PageFault);
}

}  // namespace vtless::sim
