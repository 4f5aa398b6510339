// SPDX-License-Identifier: MIT
#include "sim/cpu/descriptor_tables.h"

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

constexpr uint64_t kOperand = 0x8000;

StoppedInstruction memory(Instruction id, uint8_t operand_size = 4) {
    StoppedInstruction result;
    result.id = id;
    result.length = 5;
    result.operand_size = operand_size;
    result.memory.address_bytes = 4;
    result.has_memory = true;
    result.memory.displacement = kOperand;
    return result;
}

StoppedInstruction register_form(Instruction id, uint8_t operand_size = 4) {
    StoppedInstruction result = memory(id, operand_size);
    result.has_memory = false;
    result.gpr = Gpr::RBX;
    return result;
}

CpuResult load_selector(Machine& machine, Instruction id, uint16_t selector) {
    machine.cpu.set_gpr(Gpr::RBX, selector);
    return access_descriptor_table(machine.cpu, machine.mmu, register_form(id));
}

TEST(DescriptorTables, LoadsTakeLimitAndBaseOfTheModesWidth) {
    Machine machine(Mode::Protected32);
    machine.poke<uint16_t>(kOperand, 0x1ff);
    machine.poke<uint32_t>(kOperand + 2, 0x8765'4321);
    ASSERT_TRUE(access_descriptor_table(machine.cpu, machine.mmu, memory(Instruction::LGDT)).done());
    EXPECT_EQ(machine.cpu.gdtr(), (x86::DescriptorTable{0x8765'4321, 0x1ff}));
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode + 5);
    ASSERT_TRUE(access_descriptor_table(machine.cpu, machine.mmu, memory(Instruction::LIDT, 2)).done());
    EXPECT_EQ(machine.cpu.idtr(), (x86::DescriptorTable{0x65'4321, 0x1ff})) << "24 bits with 16-bit operands";

    Machine wide(Mode::Long64);
    wide.poke<uint16_t>(kOperand, 0xfff);
    wide.poke<uint64_t>(kOperand + 2, 0xffff'8000'1234'5678);
    ASSERT_TRUE(access_descriptor_table(wide.cpu, wide.mmu, memory(Instruction::LIDT, 8)).done());
    EXPECT_EQ(wide.cpu.idtr(), (x86::DescriptorTable{0xffff'8000'1234'5678, 0xfff}));
    wide.poke<uint64_t>(kOperand + 2, bit(50));
    EXPECT_EQ(access_descriptor_table(wide.cpu, wide.mmu, memory(Instruction::LIDT, 8)).event,
              Event::exception(Vector::GP, 0));
}

TEST(DescriptorTables, StoresWriteLimitAndBase) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_gdtr({0x8765'4321, 0x1ff});
    ASSERT_TRUE(access_descriptor_table(machine.cpu, machine.mmu, memory(Instruction::SGDT)).done());
    EXPECT_EQ(machine.peek<uint64_t>(kOperand), 0x0000'8765'4321'01ffu);
    Machine wide(Mode::Long64, 3);
    wide.cpu.set_idtr({0xffff'8000'1234'5678, 0xfff});
    ASSERT_TRUE(access_descriptor_table(wide.cpu, wide.mmu, memory(Instruction::SIDT, 8)).done());
    EXPECT_EQ(wide.peek<uint16_t>(kOperand), 0xfff);
    EXPECT_EQ(wide.peek<uint64_t>(kOperand + 2), 0xffff'8000'1234'5678u);
}

TEST(DescriptorTables, PrivilegeModeAndUmip) {
    Machine user(Mode::Long64, 3);
    for (const auto id : {Instruction::LGDT, Instruction::LIDT, Instruction::LLDT, Instruction::LTR})
        EXPECT_EQ(access_descriptor_table(user.cpu, user.mmu, memory(id)).event,
                  Event::exception(Vector::GP, 0));
    user.cpu.set_cr4(user.cpu.cr4() | x86::cr4::UMIP);
    for (const auto id : {Instruction::SGDT, Instruction::SIDT, Instruction::SLDT, Instruction::STR})
        EXPECT_EQ(access_descriptor_table(user.cpu, user.mmu, memory(id)).event,
                  Event::exception(Vector::GP, 0));
    for (const Mode mode : {Mode::Real, Mode::V8086}) {
        Machine machine(mode);
        for (const auto id : {Instruction::LLDT, Instruction::LTR, Instruction::SLDT, Instruction::STR})
            EXPECT_EQ(access_descriptor_table(machine.cpu, machine.mmu, memory(id)).event,
                      Event::exception(Vector::UD));
    }
}

TEST(DescriptorTables, LtrLoadsAnAvailableTssAndMarksItBusy) {
    Machine machine(Mode::Long64);
    machine.system_descriptor(sel::kFree, 0xffff'8000'0000'4000, 0x67, 0x89);
    ASSERT_TRUE(load_selector(machine, Instruction::LTR, sel::kFree).done());
    const x86::Segment tr = machine.cpu.segment(SegmentRegister::TR);
    EXPECT_EQ(tr.base, 0xffff'8000'0000'4000u);
    EXPECT_EQ(tr.selector, sel::kFree);
    EXPECT_EQ(tr.rights.raw, 0x8bu);
    EXPECT_EQ(machine.descriptor_access(sel::kFree), 0x8b);
    EXPECT_EQ(load_selector(machine, Instruction::LTR, sel::kFree).event,
              Event::exception(Vector::GP, sel::kFree))
        << "busy";
}

TEST(DescriptorTables, LoadsOfSystemSegmentsAreChecked) {
    struct Row {
        Instruction id;
        uint16_t selector;
        uint32_t access;
        Event fault;
    };
    const Row rows[] = {
        {Instruction::LTR, 0, 0x89, Event::exception(Vector::GP, 0)},
        {Instruction::LTR, sel::kFree | 4, 0x89, Event::exception(Vector::GP, sel::kFree | 4)},
        {Instruction::LTR, 0x100, 0x89, Event::exception(Vector::GP, 0x100)},
        {Instruction::LTR, sel::kFree, 0x82, Event::exception(Vector::GP, sel::kFree)},
        {Instruction::LTR, sel::kFree, 0x93, Event::exception(Vector::GP, sel::kFree)},
        {Instruction::LTR, sel::kFree, 0x09, Event::exception(Vector::NP, sel::kFree)},
        {Instruction::LLDT, sel::kFree | 4, 0x82, Event::exception(Vector::GP, sel::kFree | 4)},
        {Instruction::LLDT, sel::kFree, 0x89, Event::exception(Vector::GP, sel::kFree)},
        {Instruction::LLDT, sel::kFree, 0x02, Event::exception(Vector::NP, sel::kFree)},
    };
    for (const Row& row : rows) {
        Machine machine(Mode::Protected32);
        machine.system_descriptor(sel::kFree, Machine::kTss2, 0x67, row.access);
        const x86::Segment before = machine.cpu.segment(SegmentRegister::TR);
        const CpuResult result = load_selector(machine, row.id, row.selector);
        EXPECT_EQ(result.event, row.fault) << &row - rows;
        EXPECT_EQ(machine.cpu.segment(SegmentRegister::TR), before);
        EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
    }
    Machine machine(Mode::Protected32);
    machine.system_descriptor(sel::kFree, Machine::kTss2, 0x2b, 0x81);
    EXPECT_TRUE(load_selector(machine, Instruction::LTR, sel::kFree).done()) << "a 16-bit TSS";
    Machine wide(Mode::Long64);
    wide.system_descriptor(sel::kFree, Machine::kTss2, 0x2b, 0x81);
    EXPECT_EQ(load_selector(wide, Instruction::LTR, sel::kFree).event,
              Event::exception(Vector::GP, sel::kFree));
}

TEST(DescriptorTables, LldtOfNullMakesTheTableUnusable) {
    Machine machine(Mode::Protected32);
    machine.system_descriptor(sel::kLdt, Machine::kLdt, 0xff, 0x82);
    ASSERT_TRUE(load_selector(machine, Instruction::LLDT, sel::kLdt).done());
    EXPECT_EQ(machine.cpu.segment(SegmentRegister::LDTR).base, Machine::kLdt);
    ASSERT_TRUE(load_selector(machine, Instruction::LLDT, 3).done());
    EXPECT_TRUE(machine.cpu.segment(SegmentRegister::LDTR).rights.unusable());
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::LDTR), 3);
}

TEST(DescriptorTables, SelectorsAreStoredAsWordsInMemoryAndBySizeInRegisters) {
    Machine machine(Mode::Long64);
    machine.poke<uint32_t>(kOperand, 0xffff'ffff);
    ASSERT_TRUE(access_descriptor_table(machine.cpu, machine.mmu, memory(Instruction::STR, 8)).done());
    EXPECT_EQ(machine.peek<uint32_t>(kOperand), 0xffff'0000u | sel::kTss);
    machine.cpu.set_gpr(Gpr::RBX, ~uint64_t{0});
    ASSERT_TRUE(access_descriptor_table(machine.cpu, machine.mmu, register_form(Instruction::STR, 4)).done());
    EXPECT_EQ(machine.cpu.gpr(Gpr::RBX), sel::kTss);
}

}  // namespace
}  // namespace vtless::sim::test
