// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>

#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using x86::EventInfo;
using x86::Vector;

constexpr uint64_t kFilled = 0x1122334455667788;

TEST(VmxIo, InReturnsAfterTheInstruction) {
    Machine machine;
    EXPECT_EQ(machine.run_exit(ExitReason::IO_INSTRUCTION, io(2, true, 0x3f8)),
              VmExit(VmExit::IoRead{0x3f8, AccessWidth::Word}));
    EXPECT_EQ(machine.rip(), 0x7c02u);
}

// Upstream's VMM overwrites all of RAX.
TEST(VmxIo, InMergesIntoRaxByWidth) {
    struct {
        unsigned size;
        uint64_t rax;
    } const rows[] = {{1, 0x11223344556677ff}, {2, 0x112233445566ffff}, {4, 0xffffffff}};
    for (const auto& row : rows) {
        Machine machine;
        machine.set_gpr(Gpr::RAX, kFilled);
        machine.run_exit(ExitReason::IO_INSTRUCTION, io(row.size, true, 0x60));
        ASSERT_TRUE(machine.vcpu().complete_io_read(~uint64_t{0}));
        EXPECT_EQ(machine.gpr(Gpr::RAX), row.rax);
    }
}

TEST(VmxIo, OutCarriesTheLowPartOfRax) {
    for (unsigned size : {1u, 2u, 4u}) {
        Machine machine;
        machine.set_gpr(Gpr::RAX, kFilled);
        const VmExit exit = machine.run_exit(ExitReason::IO_INSTRUCTION, io(size, false, 0x80), 1);
        const uint64_t data = kFilled & (~uint64_t{0} >> (64 - 8 * size));
        EXPECT_EQ(exit, VmExit(VmExit::IoWrite{0x80, static_cast<AccessWidth>(size), data}));
    }
}

TEST(VmxIo, CompletionWithoutAReadIsRefused) {
    Machine machine;
    machine.run_exit(ExitReason::IO_INSTRUCTION, io(1, false, 0x80));
    EXPECT_FALSE(machine.vcpu().complete_io_read(0));
    machine.run_exit(ExitReason::IO_INSTRUCTION, io(1, true, 0x80));
    EXPECT_TRUE(machine.vcpu().complete_io_read(0));
    EXPECT_FALSE(machine.vcpu().complete_io_read(0));
}

TEST(VmxIo, PowerOffPortTakesTheDefinedWordOnly) {
    SetupConfig config;
    config.pass_all_ports = true;
    Machine machine(config);
    machine.set_gpr(Gpr::RAX, 0xabcd2000);  // only AX counts
    EXPECT_TRUE(machine.run_exit(ExitReason::IO_INSTRUCTION, io(2, false, 0x604)).is<VmExit::SystemDown>());
    EXPECT_TRUE(machine.run_exit(ExitReason::IO_INSTRUCTION, io(4, false, 0x604)).is<VmExit::IoWrite>());
    machine.set_gpr(Gpr::RAX, 0x2001);
    EXPECT_TRUE(machine.run_exit(ExitReason::IO_INSTRUCTION, io(2, false, 0x604)).is<VmExit::IoWrite>());
}

TEST(VmxIo, ImpossibleSizeIsUnhandled) {
    Machine machine;
    EXPECT_EQ(machine.run_exit(ExitReason::IO_INSTRUCTION, 2), VmExit(VmExit::Unhandled{30, 2}));
}

// A string instruction, as the processor reports it, in real mode with 16-bit addresses unless told.
void string_exit(Machine& machine, uint64_t qualification, unsigned address_code = 0, unsigned segment = 3) {
    machine.hw.on_entry([=](FakeHw& hw) {
        hw.set_exit(30, qualification, 2);
        hw.field(VmcsField::VM_EXIT_INSTRUCTION_INFORMATION) = address_code << 7 | segment << 15;
    });
}

TEST(VmxIo, RepOutsIsOneExitForEachElement) {
    Machine machine;
    machine.put(0x500, {1, 2, 3, 4, 5, 6});
    machine.set_gpr(Gpr::RSI, 0x500);
    machine.set_gpr(Gpr::RCX, 3);
    for (uint64_t i = 0; i < 3; ++i) {
        EXPECT_EQ(machine.rip(), 0x7c00u);
        string_exit(machine, io(2, false, 0x1f0, true, true));
        const uint64_t data = (2 * i + 1) | (2 * i + 2) << 8;
        EXPECT_EQ(machine.run(), VmExit(VmExit::IoWrite{0x1f0, AccessWidth::Word, data}));
    }
    EXPECT_EQ(machine.rip(), 0x7c02u);
    EXPECT_EQ(machine.gpr(Gpr::RSI), 0x506u);
    EXPECT_EQ(machine.gpr(Gpr::RCX), 0u);
}

TEST(VmxIo, RepInsWritesEachElementWhenItIsCompleted) {
    Machine machine;
    machine.set_gpr(Gpr::RDI, 0x600);
    machine.set_gpr(Gpr::RCX, 2);
    for (uint64_t i = 0; i < 2; ++i) {
        string_exit(machine, io(4, true, 0x1f0, true, true));
        EXPECT_EQ(machine.run(), VmExit(VmExit::IoRead{0x1f0, AccessWidth::Dword}));
        EXPECT_EQ(machine.rip(), 0x7c00u);
        ASSERT_TRUE(machine.vcpu().complete_io_read(0xa0b0c0d0 + i));
    }
    EXPECT_EQ(machine.get64(0x600), 0xa0b0c0d1a0b0c0d0u);
    EXPECT_EQ(machine.rip(), 0x7c02u);
    EXPECT_EQ(machine.gpr(Gpr::RDI), 0x608u);
    // A simulator is told of what was written, to drop translated code.
    using testing::Contains;
    using testing::Pair;
    EXPECT_THAT(machine.hw.memory().writes, Contains(Pair(0x600 + Machine::kGuestOffset, 4u)));
    EXPECT_THAT(machine.hw.memory().writes, Contains(Pair(0x604 + Machine::kGuestOffset, 4u)));
}

TEST(VmxIo, InsThatIsNotCompletedExecutesAgain) {
    Machine machine;
    machine.set_gpr(Gpr::RDI, 0x600);
    string_exit(machine, io(1, true, 0x60, true));
    machine.run();
    string_exit(machine, io(1, true, 0x60, true));
    EXPECT_EQ(machine.run(), VmExit(VmExit::IoRead{0x60, AccessWidth::Byte}));
    EXPECT_EQ(machine.gpr(Gpr::RDI), 0x600u);
}

TEST(VmxIo, RepWithCountZeroDoesNothing) {
    Machine machine;
    machine.set_gpr(Gpr::RCX, 0x10000);  // CX is zero
    string_exit(machine, io(1, false, 0x60, true, true));
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.rip(), 0x7c02u);
}

TEST(VmxIo, DirectionFlagCountsDownAndIndexWrapsAtAddressSize) {
    Machine machine;
    machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::DF;
    machine.set_gpr(Gpr::RSI, 0xabcd0000);
    string_exit(machine, io(1, false, 0x60, true));
    machine.run();
    EXPECT_EQ(machine.gpr(Gpr::RSI), 0xabcdffffu);
    EXPECT_EQ(machine.rip(), 0x7c02u);
}

TEST(VmxIo, SegmentOverrideOfOutsCounts) {
    Machine machine;
    machine.field(VmcsField::GUEST_FS_BASE) = 0x2000;
    machine.put(0x2010, {0x5a});
    machine.set_gpr(Gpr::RSI, 0x10);
    string_exit(machine, io(1, false, 0x60, true), 0, 4);
    EXPECT_EQ(machine.run(), VmExit(VmExit::IoWrite{0x60, AccessWidth::Byte, 0x5a}));
}

struct LongMode : testing::Test {
    LongMode() {
        machine.enter_long_mode();
        machine.map_guest(0x1000, 0x5000);
        machine.map_guest(0x2000, 0x3000);  // the next page lies elsewhere
    }
    void outs(uint64_t rsi, unsigned size) {
        machine.set_gpr(Gpr::RSI, rsi);
        string_exit(machine, io(size, false, 0x60, true), 2);
    }
    void ins(uint64_t rdi, unsigned size) {
        machine.set_gpr(Gpr::RDI, rdi);
        string_exit(machine, io(size, true, 0x60, true), 2);
    }
    Machine machine;
};

TEST_F(LongMode, ElementThatCrossesAPageIsReadFromBoth) {
    machine.put(0x5ffe, {1, 2});
    machine.put(0x3000, {3, 4});
    outs(0x1ffe, 4);
    EXPECT_EQ(machine.run(), VmExit(VmExit::IoWrite{0x60, AccessWidth::Dword, 0x04030201}));
}

TEST_F(LongMode, ElementThatCrossesAPageIsWrittenToBoth) {
    ins(0x1fff, 4);
    EXPECT_TRUE(machine.run().is<VmExit::IoRead>());
    ASSERT_TRUE(machine.vcpu().complete_io_read(0x04030201));
    EXPECT_EQ(*machine.guest(0x5fff), 1);
    EXPECT_EQ(machine.get64(0x3000) & 0xffffff, 0x040302u);
    EXPECT_EQ(machine.gpr(Gpr::RDI), 0x2003u);
}

TEST_F(LongMode, InsIntoAMissingPageFaultsBeforeThePortIsRead) {
    ins(0x2ffd, 4);
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.rip(), 0x7c00u);
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::PF));
    EXPECT_EQ(machine.hw.entries.back().error_code, x86::page_fault::WR);
    EXPECT_EQ(machine.hw.entries.back().cr2, 0x3000u);
    EXPECT_EQ(*machine.guest(0x3ffd), 0);
}

TEST_F(LongMode, UserReadOfASupervisorPageFaults) {
    machine.field(VmcsField::GUEST_SS_ACCESS_RIGHTS) = 0xc0f3;
    outs(0x1000, 1);
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    machine.next_injection();
    EXPECT_EQ(machine.hw.entries.back().error_code, x86::page_fault::US | x86::page_fault::P);
}

TEST_F(LongMode, NonCanonicalAddressIsGeneralProtection) {
    outs(0x8000000000000000, 1);
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::GP));
}

TEST_F(LongMode, MemoryThatEptDoesNotMapIsTheCallersAndTheInstructionRepeats) {
    machine.map_ept(0x5000, 0, 0);
    outs(0x1008, 1);
    EXPECT_EQ(machine.run(), VmExit(VmExit::NestedPageFault{Gpa(0x5008), {true, false, false}}));
    EXPECT_EQ(machine.rip(), 0x7c00u);
    machine.map_ept(0x5000, 0x15000);
    machine.put(0x5008, {9});
    outs(0x1008, 1);
    EXPECT_EQ(machine.run(), VmExit(VmExit::IoWrite{0x60, AccessWidth::Byte, 9}));
}

TEST_F(LongMode, StringAccessSetsAccessedAndDirty) {
    outs(0x1000, 1);
    machine.run();
    EXPECT_EQ(machine.get64(Machine::page_table_entry(0x1000)) & 0x60, x86::pte::A);
    ins(0x2000, 1);
    machine.run();
    EXPECT_EQ(machine.get64(Machine::page_table_entry(0x2000)) & 0x60, 0u);
    ASSERT_TRUE(machine.vcpu().complete_io_read(0));
    EXPECT_EQ(machine.get64(Machine::page_table_entry(0x2000)) & 0x60, x86::pte::A | x86::pte::D);
}

TEST(VmxIo, SegmentLimitIsChecked) {
    Machine machine;
    machine.set_gpr(Gpr::RSI, 0xffff);
    string_exit(machine, io(2, false, 0x60, true));  // bytes FFFF and 10000
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::make(x86::EventType::HARDWARE_EXCEPTION, 13));
}

TEST(VmxIo, UnusableSegmentFaultsInProtectedMode) {
    SetupConfig config;
    config.entry_state = vmx::GuestEntryState::protected_mode();
    Machine machine(config);
    machine.field(VmcsField::GUEST_ES_ACCESS_RIGHTS) = x86::AccessRights::kUnusable;
    string_exit(machine, io(1, true, 0x60, true), 1);
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::GP));
}

}  // namespace
}  // namespace vtless::test
