// SPDX-License-Identifier: MIT
#include "sim/vmx/instruction_operands.h"

#include <array>
#include <bit>

#include "sim/cpu/operand.h"

namespace vtless::sim {
namespace {

// What of the word an instruction has besides its address size. SDM Vol. 3C tables 28-8 to 28-15.
struct Format {
    bool memory = false;         // scaling, segment, index and base
    bool memory_or_reg = false;  // bit 10 tells, and bits 6:3 name the register
    bool operand_size = false;   // bit 11
    bool segment_only = false;   // OUTS
    bool reg2 = false;           // bits 31:28
    bool only_register = false;  // bits 6:3 name it, bits 12:11 the operand size
    uint8_t identity = 0;        // bits 29:28
    bool present = false;
};

constexpr unsigned kInstructions = static_cast<unsigned>(Instruction::UNDEFINED) + 1;

constexpr std::array<Format, kInstructions> build_formats() {
    std::array<Format, kInstructions> formats{};
    const auto set = [&](Instruction id, Format format) {
        format.present = true;
        formats[static_cast<size_t>(id)] = format;
    };
    const Format tables{.memory = true, .operand_size = true};
    const Format selectors{.memory = true, .memory_or_reg = true};
    const auto identity = [](Format format, uint8_t value) {
        format.identity = value;
        return format;
    };
    set(Instruction::INS, {});
    set(Instruction::OUTS, {.segment_only = true});
    set(Instruction::SGDT, tables);
    set(Instruction::SIDT, identity(tables, 1));
    set(Instruction::LGDT, identity(tables, 2));
    set(Instruction::LIDT, identity(tables, 3));
    set(Instruction::SLDT, selectors);
    set(Instruction::STR, identity(selectors, 1));
    set(Instruction::LLDT, identity(selectors, 2));
    set(Instruction::LTR, identity(selectors, 3));
    for (const Instruction id :
         {Instruction::VMCLEAR, Instruction::VMPTRLD, Instruction::VMPTRST, Instruction::VMXON}) {
        set(id, {.memory = true});
    }
    for (const Instruction id : {Instruction::INVEPT, Instruction::INVVPID, Instruction::INVPCID}) {
        set(id, {.memory = true, .reg2 = true});
    }
    for (const Instruction id : {Instruction::VMREAD, Instruction::VMWRITE}) {
        set(id, {.memory = true, .memory_or_reg = true, .reg2 = true});
    }
    for (const Instruction id : {Instruction::RDRAND, Instruction::RDSEED}) set(id, {.only_register = true});
    return formats;
}
constexpr auto kFormats = build_formats();

uint32_t memory_bits(const x86::MemoryOperand& memory) {
    uint32_t word = static_cast<uint32_t>(memory.segment) << 15;
    if (memory.index) {
        word |= static_cast<uint32_t>(std::countr_zero(memory.scale)) | static_cast<uint32_t>(*memory.index)
                                                                            << 18;
    } else {
        word |= 1u << 22;
    }
    return word | (memory.base ? static_cast<uint32_t>(*memory.base) << 23 : 1u << 27);
}

}  // namespace

Gva linear_address(const CpuState& cpu, x86::SegmentRegister segment, uint64_t offset) {
    if (!cpu.code64()) return Gva((cpu.segment_base(segment) + offset) & 0xffffffff);
    const bool based = segment == x86::SegmentRegister::FS || segment == x86::SegmentRegister::GS;
    return Gva(offset + (based ? cpu.segment_base(segment) : 0));
}

Gva operand_address(const CpuState& cpu, const StoppedInstruction& instruction) {
    return linear_address(cpu, instruction.memory.segment, effective_offset(cpu, instruction));
}

uint32_t instruction_information(const StoppedInstruction& instruction) {
    const Format& format = kFormats[static_cast<size_t>(instruction.id)];
    if (!format.present) return 0;
    if (format.only_register) {
        return static_cast<uint32_t>(instruction.gpr) << 3 |
               static_cast<uint32_t>(std::countr_zero(instruction.operand_size) - 1) << 11;
    }
    uint32_t word = static_cast<uint32_t>(std::countr_zero(instruction.memory.address_bytes) - 1) << 7;
    word |= static_cast<uint32_t>(format.identity) << 28;
    if (format.segment_only) word |= static_cast<uint32_t>(instruction.memory.segment) << 15;
    if (format.reg2) word |= static_cast<uint32_t>(instruction.gpr2) << 28;
    if (format.operand_size && instruction.operand_size != 2) word |= 1u << 11;
    if (instruction.has_memory) return word | (format.memory ? memory_bits(instruction.memory) : 0);
    if (format.memory_or_reg) word |= 1u << 10 | static_cast<uint32_t>(instruction.gpr) << 3;
    return word;
}

uint64_t displacement_qualification(const CpuState& cpu, const StoppedInstruction& instruction) {
    if (!instruction.has_memory) return 0;
    const x86::MemoryOperand& memory = instruction.memory;
    const auto displacement = static_cast<uint64_t>(memory.displacement);
    return memory.rip_relative ? displacement + cpu.next_rip(instruction.length) : displacement;
}

}  // namespace vtless::sim
