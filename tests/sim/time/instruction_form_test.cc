// SPDX-License-Identifier: MIT
#include "sim/time/instruction_form.h"

#include <gtest/gtest.h>

#include "tests/sim/time/code.h"

namespace vtless::sim::test {
namespace {

InstructionForm form(std::initializer_list<unsigned> bytes, unsigned bits = 64) {
    return instruction_form(code(bytes), bits);
}

TEST(InstructionForm, FieldsNameRegisters) {
    const InstructionForm add = form({0x4d, 0x01, 0xc8});  // ADD R8, R9
    EXPECT_EQ(add.map, FormMap::One);
    EXPECT_EQ(add.opcode, 0x01);
    EXPECT_TRUE(add.wide);
    EXPECT_EQ(add.reg, 9);
    EXPECT_EQ(add.rm, 8);
    EXPECT_EQ(add.operand, FormOperand::Register);
    EXPECT_EQ(form({0x31, 0xc0}).operand, FormOperand::Same);
    EXPECT_EQ(form({0x45, 0x31, 0xc7}).operand, FormOperand::Register);  // XOR R15D, R8D
    EXPECT_EQ(form({0x41, 0x57}).low, 15);                               // PUSH R15
}

TEST(InstructionForm, MemoryOperandsNameBaseAndIndex) {
    const InstructionForm load = form({0x4a, 0x8b, 0x44, 0xac, 0x08});  // MOV RAX, [RSP + R13*4 + 8]
    EXPECT_EQ(load.operand, FormOperand::Memory);
    EXPECT_EQ(load.base, 4);
    EXPECT_EQ(load.index, 13);
    const InstructionForm relative = form({0x8b, 0x05, 0, 0, 0, 0});
    EXPECT_EQ(relative.base, InstructionForm::kNoRegister);
    EXPECT_EQ(relative.index, InstructionForm::kNoRegister);
    const InstructionForm bp_si = form({0x8b, 0x02}, 16);
    EXPECT_EQ(bp_si.base, 5);
    EXPECT_EQ(bp_si.index, 6);
    EXPECT_EQ(form({0x67, 0x8b, 0x02}, 16).base, 2);
    EXPECT_EQ(form({0x67, 0x8b, 0x02}, 32).base, 5);
    EXPECT_EQ(form({0x8b, 0x0e, 0, 0}, 16).base, InstructionForm::kNoRegister);
}

TEST(InstructionForm, LeaOfThreeComponentsIsAFormOfItsOwn) {
    EXPECT_EQ(form({0x8d, 0x04, 0x33}).extension, 0);
    EXPECT_EQ(form({0x8d, 0x44, 0x33, 0x08}).extension, 1);
}

// 66H is the operands' size in some opcodes, part of the opcode in others, and means the opposite in 16-bit
// code.
TEST(InstructionForm, OperandSizeAndMandatoryPrefixAreToldApart) {
    EXPECT_EQ(form({0x66, 0x01, 0xd8}).prefix, 1);
    EXPECT_EQ(form({0x01, 0xd8}, 16).prefix, 1);
    EXPECT_EQ(form({0x66, 0x01, 0xd8}, 16).prefix, 0);
    EXPECT_EQ(form({0x66, 0x0f, 0x6f, 0xc1}, 16).prefix, 1);  // MOVDQA
    EXPECT_EQ(form({0x0f, 0x6f, 0xc1}, 16).prefix, 0);        // MOVQ of MMX
    EXPECT_EQ(form({0x0f, 0xaf, 0xc1}, 16).prefix, 1);        // IMUL AX, CX
    EXPECT_EQ(form({0xf3, 0x90}).prefix, 2);                  // PAUSE
    EXPECT_EQ(form({0xf3, 0xa4}).prefix, 0);                  // REP MOVSB
}

TEST(InstructionForm, OpcodesThatMeanAnotherThingIn64BitModeAreToldApart) {
    EXPECT_EQ(form({0x63, 0xc3}).map, FormMap::One);                          // MOVSXD
    EXPECT_EQ(form({0x63, 0xc3}, 32).map, FormMap::Legacy);                   // ARPL
    EXPECT_EQ(form({0x40}, 32).map, FormMap::Legacy);                         // INC EAX
    EXPECT_EQ(form({0xc5, 0x06}, 32).map, FormMap::Legacy);                   // LDS
    EXPECT_EQ(form({0xc4, 0xe2, 0x70, 0xf2, 0xc3}, 32).map, FormMap::Vex38);  // ANDN
    EXPECT_EQ(form({0xc4, 0xe2, 0x70, 0xf2, 0xc3}).vvvv, 1);
}

}  // namespace
}  // namespace vtless::sim::test
