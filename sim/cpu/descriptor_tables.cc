// SPDX-License-Identifier: MIT
#include "sim/cpu/descriptor_tables.h"

#include <array>
#include <cstring>

#include "isa/check.h"
#include "isa/x86/control_regs.h"
#include "sim/cpu/control_registers.h"
#include "sim/cpu/operand.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

using x86::SegmentRegister;
using x86::SystemType;
using x86::Vector;

namespace {

constexpr uint64_t kBase24 = 0xffffff;

CpuResult store_table(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                      const x86::DescriptorTable& table) {
    std::array<std::byte, 10> bytes{};
    const uint64_t base = !cpu.code64() && instruction.operand_size == 2 ? table.base & kBase24 : table.base;
    std::memcpy(bytes.data(), &table.limit, 2);
    std::memcpy(bytes.data() + 2, &base, 8);
    return write_memory(cpu, mmu, instruction, std::span(bytes).first(cpu.code64() ? 10 : 6));
}

CpuResult load_table(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    std::array<std::byte, 10> bytes{};
    const CpuResult result =
        read_memory(cpu, mmu, instruction, std::span(bytes).first(cpu.code64() ? 10 : 6));
    if (!result.done()) return result;
    x86::DescriptorTable table;
    std::memcpy(&table.limit, bytes.data(), 2);
    std::memcpy(&table.base, bytes.data() + 2, 8);
    if (cpu.code64()) {
        if (!is_canonical_for(mmu, table.base)) return CpuResult::general_protection();
    } else if (instruction.operand_size == 2) {
        table.base &= kBase24;
    }
    if (instruction.id == Instruction::LGDT) {
        cpu.set_gdtr(table);
    } else {
        cpu.set_idtr(table);
    }
    return CpuResult::ok();
}

CpuResult store_selector(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, uint16_t selector) {
    if (instruction.has_memory)
        return write_memory(cpu, mmu, instruction, std::as_bytes(std::span(&selector, 1)));
    set_gpr_sized(cpu, instruction.gpr, instruction.operand_size, selector);
    return CpuResult::ok();
}

bool load_ldtr(Operation& operation, uint16_t selector) {
    CpuState& cpu = operation.cpu();
    if (x86::selector_is_null(selector)) {
        cpu.set_segment(SegmentRegister::LDTR, null_segment(selector));
        return true;
    }
    Descriptor descriptor;
    if (x86::selector_is_ldt(selector)) return operation.fail_selector(Vector::GP, selector);
    if (!operation.read_descriptor(selector, Vector::GP, descriptor)) return false;
    if (!descriptor.rights().is_system(SystemType::LDT)) return operation.fail_selector(Vector::GP, selector);
    if (!descriptor.rights().present()) return operation.fail_selector(Vector::NP, selector);
    if (!operation.read_upper_half(Vector::GP, descriptor)) return false;
    cpu.set_segment(SegmentRegister::LDTR, descriptor.segment());
    return true;
}

bool load_tr(Operation& operation, uint16_t selector) {
    CpuState& cpu = operation.cpu();
    if (x86::selector_is_null(selector)) return operation.fail(Vector::GP, 0);
    Descriptor descriptor;
    if (x86::selector_is_ldt(selector)) return operation.fail_selector(Vector::GP, selector);
    if (!operation.read_descriptor(selector, Vector::GP, descriptor)) return false;
    const x86::AccessRights rights = descriptor.rights();
    const bool available = rights.is_system(SystemType::TSS32_AVAILABLE) ||
                           (!cpu.ia32e() && rights.is_system(SystemType::TSS16_AVAILABLE));
    if (!available) return operation.fail_selector(Vector::GP, selector);
    if (!rights.present()) return operation.fail_selector(Vector::NP, selector);
    if (!operation.read_upper_half(Vector::GP, descriptor)) return false;
    if (cpu.ia32e() && !is_canonical_for(operation.mmu(), descriptor.segment().base))
        return operation.fail_selector(Vector::GP, selector);
    if (!operation.set_busy(descriptor, true)) return false;
    cpu.set_segment(SegmentRegister::TR, descriptor.segment());
    return true;
}

CpuResult load_selector(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    auto selector = static_cast<uint16_t>(cpu.gpr(instruction.gpr));
    if (instruction.has_memory) {
        const CpuResult result =
            read_memory(cpu, mmu, instruction, std::as_writable_bytes(std::span(&selector, 1)));
        if (!result.done()) return result;
    }
    Operation operation(cpu, mmu);
    const bool loaded =
        instruction.id == Instruction::LLDT ? load_ldtr(operation, selector) : load_tr(operation, selector);
    return loaded ? CpuResult::ok() : operation.result();
}

CpuResult check(const CpuState& cpu, Instruction id) {
    const bool selectors = id == Instruction::LLDT || id == Instruction::LTR || id == Instruction::SLDT ||
                           id == Instruction::STR;
    if (selectors && (!cpu.protected_mode() || cpu.v8086())) return CpuResult::fault(Vector::UD);
    const bool loads = id == Instruction::LGDT || id == Instruction::LIDT || id == Instruction::LLDT ||
                       id == Instruction::LTR;
    if (loads || (cpu.cr4() & x86::cr4::UMIP) != 0) return require_cpl0(cpu);
    return CpuResult::ok();
}

CpuResult execute(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    switch (instruction.id) {
        case Instruction::SGDT:
            return store_table(cpu, mmu, instruction, cpu.gdtr());
        case Instruction::SIDT:
            return store_table(cpu, mmu, instruction, cpu.idtr());
        case Instruction::LGDT:
        case Instruction::LIDT:
            return load_table(cpu, mmu, instruction);
        case Instruction::SLDT:
            return store_selector(cpu, mmu, instruction, cpu.selector(SegmentRegister::LDTR));
        case Instruction::STR:
            return store_selector(cpu, mmu, instruction, cpu.selector(SegmentRegister::TR));
        case Instruction::LLDT:
        case Instruction::LTR:
            return load_selector(cpu, mmu, instruction);
        default:
            check_failed(__FILE__, __LINE__, "no instruction of a descriptor table");
    }
}

}  // namespace

CpuResult access_descriptor_table(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    CpuResult result = check(cpu, instruction.id);
    if (result.done()) result = execute(cpu, mmu, instruction);
    if (result.done()) retire(cpu, instruction.length);
    return result;
}

}  // namespace vtless::sim
