// SPDX-License-Identifier: MIT
// Which form an instruction has, and which registers its fields name: read from the bytes, for the cost
// tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vtless::sim {

enum class FormMap : uint8_t { One, Two, Map38, Map3A, Vex38, Vex3A, Legacy, None };
// Same: both are registers, of one number.
enum class FormOperand : uint8_t { Memory, Register, Same };

struct InstructionForm {
    static constexpr uint8_t kNoRegister = 0xff;

    FormMap map = FormMap::None;  // None: no form of the tables
    uint8_t opcode = 0;
    uint8_t prefix = 0;  // 0 none, 1 66H (or operands of 16 bits), 2 F3H, 3 F2H
    bool wide = false;
    uint8_t extension = 0;  // ModR/M's reg field << 3 where it selects the instruction, r/m too for x87
    FormOperand operand = FormOperand::Memory;
    bool rex = false;
    uint8_t reg = 0;
    uint8_t rm = 0;
    uint8_t vvvv = 0;
    uint8_t low = 0;  // the register in the opcode
    uint8_t base = kNoRegister;
    uint8_t index = kNoRegister;

    uint32_t key() const {
        return uint32_t{static_cast<uint8_t>(map)} << 20 | uint32_t{opcode} << 12 | uint32_t{prefix} << 10 |
               uint32_t{wide} << 9 | uint32_t{extension} << 3 | static_cast<uint32_t>(operand);
    }
};

// Of one instruction in a code segment of 16, 32 or 64 bits. Never reads behind its end.
InstructionForm instruction_form(std::span<const std::byte> instruction, unsigned bits);

}  // namespace vtless::sim
