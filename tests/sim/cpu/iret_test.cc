// SPDX-License-Identifier: MIT
#include "sim/cpu/iret.h"

#include <initializer_list>

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

namespace rf = x86::rflags;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

template <class T>
void frame(Machine& machine, std::initializer_list<uint64_t> words) {
    uint64_t at = machine.rsp();
    for (const uint64_t word : words) {
        machine.poke(at, static_cast<T>(word));
        at += sizeof(T);
    }
}

TEST(Iret, From64BitModeAlwaysRestoresTheStack) {
    Machine machine(Mode::Long64);
    frame<uint64_t>(machine, {0x1'0000'1000, sel::kCode64, 0x246, 0x8123, 0});
    machine.cpu.set_interrupt_shadow(true);
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 8).done());
    EXPECT_EQ(machine.cpu.rip(), 0x1'0000'1000u);
    EXPECT_EQ(machine.rsp(), 0x8123u);
    EXPECT_EQ(machine.cpu.rflags(), 0x246u);
    EXPECT_TRUE(machine.cpu.segment(SegmentRegister::SS).rights.unusable()) << "null is allowed at CPL 0";
    EXPECT_FALSE(machine.cpu.interrupt_shadow());
}

TEST(Iret, ReturnsToUserModeOfEitherSizeAndDropsInnerSegments) {
    for (const bool to64 : {true, false}) {
        Machine machine(Mode::Long64);
        const uint16_t code = to64 ? sel::kUserCode64 : sel::kUserCode32;
        frame<uint64_t>(machine, {0x1000, code, 0x3202 | rf::RF, 0x8000, sel::kUserData32});
        machine.load(SegmentRegister::FS, sel::kUserData32);
        ASSERT_TRUE(iret(machine.cpu, machine.mmu, 8).done());
        EXPECT_EQ(machine.cpu.cpl(), 3u);
        EXPECT_EQ(machine.cpu.selector(SegmentRegister::CS), code);
        EXPECT_EQ(machine.cpu.code64(), to64);
        EXPECT_EQ(machine.cpu.selector(SegmentRegister::SS), sel::kUserData32);
        EXPECT_EQ(machine.cpu.rflags(), 0x3202 | rf::RF);
        EXPECT_TRUE(machine.cpu.segment(SegmentRegister::DS).rights.unusable()) << "its DPL was 0";
        EXPECT_EQ(machine.cpu.selector(SegmentRegister::FS), sel::kUserData32);
    }
}

TEST(Iret, UserCannotChangeIoplAndIf) {
    Machine machine(Mode::Long64, 3);
    frame<uint64_t>(machine, {0x1000, sel::kUserCode64, 0x3000 | rf::CF, 0x8000, sel::kUserData32});
    machine.cpu.set_rflags(0x202);
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 8).done());
    EXPECT_EQ(machine.cpu.rflags(), 0x202 | rf::CF);
}

TEST(Iret, SamePrivilegeInProtectedModeLeavesTheStackSegmentAlone) {
    Machine machine(Mode::Protected32);
    frame<uint32_t>(machine, {0x1000, sel::kCode32, 0x202, 0xdead, 0xbeef});
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 4).done());
    EXPECT_EQ(machine.rsp(), Machine::kStack + 12);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::SS), sel::kData32);
    EXPECT_EQ(machine.cpu.rip(), 0x1000u);
}

TEST(Iret, SixteenBitOperandsPopWords) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_rflags(2 | rf::AC);
    frame<uint16_t>(machine, {0x1000, sel::kCode32, 0x202});
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 2).done());
    EXPECT_EQ(machine.rsp(), Machine::kStack + 6);
    EXPECT_EQ(machine.cpu.rflags(), 0x202 | rf::AC) << "the upper flags stay";
}

TEST(Iret, ToVirtual8086ModeLoadsAllSegments) {
    Machine machine(Mode::Protected32);
    frame<uint32_t>(machine, {0x1000, 0x2000, 0x3202 | rf::VM, 0x4000, 0x3000, 1, 2, 3, 4});
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 4).done());
    EXPECT_TRUE(machine.cpu.v8086());
    EXPECT_EQ(machine.cpu.cpl(), 3u);
    EXPECT_EQ(machine.rsp(), 0x4000u);
    const auto segment = [&](SegmentRegister index) { return machine.cpu.segment(index); };
    EXPECT_EQ(segment(SegmentRegister::CS), (x86::Segment{0x2000, 0x20000, 0xffff, {0xf3}}));
    EXPECT_EQ(segment(SegmentRegister::SS).base, 0x30000u);
    EXPECT_EQ(segment(SegmentRegister::ES).selector, 1);
    EXPECT_EQ(segment(SegmentRegister::DS).selector, 2);
    EXPECT_EQ(segment(SegmentRegister::FS).selector, 3);
    EXPECT_EQ(segment(SegmentRegister::GS).selector, 4);
}

TEST(Iret, WithinVirtual8086ModeKeepsVmAndIopl) {
    Machine machine(Mode::V8086);
    frame<uint16_t>(machine, {0x1234, 0x100, 0x0202});
    const uint64_t kept = machine.cpu.rflags() & (rf::VM | rf::IOPL);
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 2).done());
    EXPECT_EQ(machine.cpu.rflags(), 0x202 | kept);
    EXPECT_EQ(machine.cpu.linear_rip(), 0x2234u);
    machine.cpu.set_rflags(machine.cpu.rflags() & ~rf::IOPL);
    EXPECT_EQ(iret(machine.cpu, machine.mmu, 2).event, Event::exception(Vector::GP, 0));
}

TEST(Iret, RealModeLoadsAllFlagsOfTheOperandSize) {
    Machine machine(Mode::Real);
    frame<uint16_t>(machine, {0x1234, 0x100, 0x7fd7});
    ASSERT_TRUE(iret(machine.cpu, machine.mmu, 2).done());
    EXPECT_EQ(machine.cpu.rflags(), 0x7fd7u);
    EXPECT_EQ(machine.cpu.linear_rip(), 0x2234u);
    EXPECT_EQ(machine.rsp(), Machine::kStack + 6);
    frame<uint32_t>(machine, {0x12345, 0, 2});
    EXPECT_EQ(iret(machine.cpu, machine.mmu, 4).event, Event::exception(Vector::GP));
}

TEST(Iret, NestedTaskIsLeftToTheTaskSwitchOrRefusedInIa32eMode) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_rflags(2 | rf::NT);
    machine.poke<uint16_t>(Machine::kTss, sel::kFree);
    machine.descriptor(sel::kFree, Machine::kTss2, 0x67, 0x8b);
    const CpuResult result = iret(machine.cpu, machine.mmu, 4);
    EXPECT_EQ(result.kind, CpuResult::Kind::TaskSwitch);
    EXPECT_EQ(result.task, sel::kFree);
    EXPECT_EQ(machine.rsp(), Machine::kStack);
    Machine wide(Mode::Long64);
    wide.cpu.set_rflags(2 | rf::NT);
    EXPECT_EQ(iret(wide.cpu, wide.mmu, 8).event, Event::exception(Vector::GP, 0));
}

TEST(Iret, OnlyABusyTaskIsReturnedTo) {
    const auto fault_of = [](uint16_t link, uint32_t limit, uint32_t access) {
        Machine machine(Mode::Protected32);
        machine.cpu.set_rflags(2 | rf::NT);
        machine.poke<uint16_t>(Machine::kTss, link);
        machine.descriptor(sel::kFree, Machine::kTss2, limit, access);
        return iret(machine.cpu, machine.mmu, 4).event;
    };
    EXPECT_EQ(fault_of(sel::kFree, 0x67, 0x89), Event::exception(Vector::TS, sel::kFree));
    EXPECT_EQ(fault_of(sel::kCode32, 0x67, 0x8b), Event::exception(Vector::TS, sel::kCode32));
    EXPECT_EQ(fault_of(0x100, 0x67, 0x8b), Event::exception(Vector::TS, 0x100));
    EXPECT_EQ(fault_of(sel::kFree | 4, 0x67, 0x8b), Event::exception(Vector::TS, sel::kFree | 4));
    EXPECT_EQ(fault_of(sel::kFree, 0x66, 0x8b), Event::exception(Vector::TS, sel::kFree));
    EXPECT_EQ(fault_of(sel::kFree, 0x67, 0x0b), Event::exception(Vector::NP, sel::kFree));
}

TEST(Iret, FramesThatAreRefusedChangeNothing) {
    struct Row {
        const char* what;
        Mode mode;
        unsigned cpl;
        uint64_t rip, cs, rsp, ss;
        Event fault;
    };
    const auto gp = [](uint32_t code) { return Event::exception(Vector::GP, code); };
    constexpr uint64_t kFreePresent = sel::kFree | 3;
    const Row rows[] = {
        {"null CS", Mode::Long64, 0, 0, 3, 0, 0, gp(0)},
        {"CS limit", Mode::Long64, 0, 0, 0x100, 0, 0, gp(0x100)},
        {"CS is data", Mode::Long64, 0, 0, sel::kData32, 0, 0, gp(sel::kData32)},
        {"inward", Mode::Long64, 3, 0, sel::kCode64, 0, 0, gp(sel::kCode64)},
        {"DPL", Mode::Long64, 0, 0, sel::kCode64 | 3, 0, 0, gp(sel::kCode64)},
        {"CS not present", Mode::Long64, 0, 0, kFreePresent, 0, 0, Event::exception(Vector::NP, sel::kFree)},
        {"RIP", Mode::Long64, 0, bit(47), sel::kCode64, 0, 0, gp(0)},
        {"null SS for users", Mode::Long64, 0, 0, sel::kUserCode64, 0, 3, gp(0)},
        {"null SS for 32-bit code", Mode::Long64, 0, 0, sel::kCode32, 0, 0, gp(0)},
        {"SS RPL", Mode::Long64, 0, 0, sel::kUserCode64, 0, sel::kUserData32 & ~3, gp(sel::kUserData32 & ~3)},
        {"SS is code", Mode::Long64, 0, 0, sel::kUserCode64, 0, sel::kUserCode64, gp(sel::kUserCode64 & ~3)},
        {"SS DPL", Mode::Long64, 0, 0, sel::kUserCode64, 0, sel::kData32 | 3, gp(sel::kData32)},
        {"EIP", Mode::Protected32, 0, 0x10000, sel::kCode16, 0, 0, gp(0)},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Machine machine(row.mode, row.cpl);
        machine.descriptor(sel::kFree, 0, 0xfffff, 0xa07b);
        if (row.mode == Mode::Long64) {
            frame<uint64_t>(machine, {row.rip, row.cs, 2, row.rsp, row.ss});
        } else {
            frame<uint32_t>(machine, {row.rip, row.cs, 2});
        }
        const CpuResult result = iret(machine.cpu, machine.mmu, row.mode == Mode::Long64 ? 8 : 4);
        EXPECT_EQ(result.kind, CpuResult::Kind::Fault);
        EXPECT_EQ(result.event, row.fault)
            << name(static_cast<Vector>(result.event.vector)) << " " << result.event.error_code;
        EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
        EXPECT_EQ(machine.rsp(), Machine::kStack);
    }
}

}  // namespace
}  // namespace vtless::sim::test
