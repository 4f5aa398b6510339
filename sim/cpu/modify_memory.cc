// SPDX-License-Identifier: MIT
#include "sim/cpu/modify_memory.h"

#include <array>
#include <cstring>

#include "isa/x86/arithmetic_flags.h"
#include "sim/cpu/operand.h"

namespace vtless::sim {

namespace {

using namespace x86::rflags;

struct Result {
    uint64_t value = 0;
    uint64_t flags = 0;  // all six arithmetic ones
};

uint64_t mask_of(unsigned bits) { return ~uint64_t{0} >> (64 - bits); }

Result negated(uint64_t value, unsigned bits) {
    const uint64_t result = (0 - value) & mask_of(bits);
    return {result, x86::subtract_flags({0, value, 0, result, bits})};
}

// count: 1 to bits - 1. OF is defined for a count of 1: the sign has changed.
Result shifted(uint64_t value, uint64_t more, unsigned bits, unsigned count, bool left) {
    const uint64_t result =
        (left ? value << count | more >> (bits - count) : value >> count | more << (bits - count)) &
        mask_of(bits);
    const uint64_t carry = value >> (left ? bits - count : count - 1) & 1;
    const bool sign = ((result ^ value) >> (bits - 1) & 1) != 0;
    return {result, x86::result_flags(result, bits) | (carry != 0 ? CF : 0) | (sign ? OF : 0)};
}

// A fault is that of a write.
template <class F>
CpuResult modify(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, F&& f) {
    std::array<std::byte, 8> bytes{};
    const std::span operand = std::span(bytes).first(instruction.operand_size);
    Gva address;
    CpuResult allowed = effective_address(cpu, instruction, {AccessType::Write, operand.size()}, address);
    if (!allowed.done()) return allowed;
    const Access access = explicit_access(cpu, AccessType::Write);
    CpuResult read = CpuResult::of(mmu.read(address, operand, access));
    if (!read.done()) return read;
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), operand.size());
    const Result result = f(value);
    std::memcpy(bytes.data(), &result.value, operand.size());
    CpuResult written = CpuResult::of(mmu.write(address, operand, access));
    if (!written.done()) return written;
    cpu.set_rflags((cpu.rflags() & ~kArithmetic) | result.flags);
    retire(cpu, instruction.length);
    return CpuResult::ok();
}

}  // namespace

CpuResult negate_memory(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    const unsigned bits = 8u * instruction.operand_size;
    return modify(cpu, mmu, instruction, [&](uint64_t value) { return negated(value, bits); });
}

// Beyond 16 bits of a 16-bit operand result and flags are undefined: nothing happens then.
CpuResult shift_memory_double(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    const unsigned bits = 8u * instruction.operand_size;
    const unsigned count = instruction.number & (bits == 64 ? 63u : 31u);
    const uint64_t more = cpu.gpr(instruction.gpr2) & mask_of(bits);
    return modify(cpu, mmu, instruction, [&](uint64_t value) {
        if (count == 0 || count >= bits) return Result{value, cpu.rflags() & kArithmetic};
        return shifted(value, more, bits, count, instruction.id == Instruction::SHLD);
    });
}

}  // namespace vtless::sim
