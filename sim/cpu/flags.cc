// SPDX-License-Identifier: MIT
#include "sim/cpu/flags.h"

#include "isa/x86/rflags.h"
#include "sim/cpu/operand.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

namespace rf = x86::rflags;

namespace {

bool refused_in_v8086(const CpuState& cpu) { return cpu.v8086() && rf::iopl(cpu.rflags()) < 3; }

}  // namespace

// IOPL follows only at CPL 0, IF only at CPL <= IOPL. VM, VIP and VIF stay.
uint64_t popped_flags(const CpuState& cpu, uint64_t value, unsigned operand_size) {
    uint64_t loaded = rf::kArithmetic | rf::TF | rf::DF | rf::NT;
    const uint64_t old = cpu.rflags();
    if (cpu.cpl() == 0) loaded |= rf::IOPL;
    if (cpu.cpl() <= rf::iopl(old)) loaded |= rf::IF;
    if (operand_size > 2) loaded |= rf::AC | rf::ID;
    return (old & ~loaded) | (value & loaded) | rf::kFixed1;
}

CpuResult pushf(CpuState& cpu, Mmu& mmu, FlagsInstruction instruction) {
    if (refused_in_v8086(cpu)) return CpuResult::general_protection();
    Operation operation(cpu, mmu);
    Stack stack = operation.current_stack();
    const uint64_t image = cpu.rflags() & ~(rf::VM | rf::RF);
    if (!operation.push(stack, instruction.operand_size, {&image, 1})) return operation.result();
    cpu.set_gpr(x86::Gpr::RSP, stack.pointer);
    retire(cpu, instruction.length);
    return CpuResult::ok();
}

CpuResult popf(CpuState& cpu, Mmu& mmu, FlagsInstruction instruction) {
    if (refused_in_v8086(cpu)) return CpuResult::general_protection();
    Operation operation(cpu, mmu);
    Stack stack = operation.current_stack();
    uint64_t image = 0;
    if (!operation.pop(stack, instruction.operand_size, {&image, 1})) return operation.result();
    cpu.set_gpr(x86::Gpr::RSP, stack.pointer);
    retire(cpu, instruction.length);
    cpu.set_rflags(popped_flags(cpu, image, instruction.operand_size));
    return CpuResult::ok();
}

}  // namespace vtless::sim
