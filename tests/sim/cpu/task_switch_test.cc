// SPDX-License-Identifier: MIT
#include "sim/cpu/task_switch.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

using x86::Gpr;
using x86::SegmentRegister;
using x86::TaskSwitchSource;
using x86::Vector;
using Kind = CpuResult::Kind;

constexpr uint16_t kNext = sel::kFree;  // the new task's TSS, at Machine::kTss2
constexpr uint16_t kBad = sel::kFree + 8;
constexpr uint32_t kAvailable = 0x89;
constexpr uint32_t kBusy = 0x8b;
constexpr uint64_t kReturn = 0x6789;

// A task in 32-bit mode with another to switch to.
struct Tasks : Machine {
    Tasks() : Machine(Mode::Protected32) {
        descriptor(kNext, kTss2, 0x67, kAvailable);
        poke<uint32_t>(kTss2 + 0x20, 0x7000);
        poke<uint32_t>(kTss2 + 0x24, x86::rflags::kFixed1 | x86::rflags::IF);
        for (unsigned i = 0; i < 8; ++i)
            poke<uint32_t>(kTss2 + 0x28 + uint64_t{i} * 4, 0x8000'0000 + i * 0x100);
        selectors({sel::kData32, sel::kCode32, sel::kData32, sel::kData32, 0, sel::kUserData32});
        for (unsigned i = 0; i < 8; ++i) cpu.set_gpr(static_cast<Gpr>(i), 0x1000 + i);
        cpu.set_rflags(cpu.rflags() | x86::rflags::CF);
    }
    void selectors(const std::vector<uint16_t>& values) {
        for (size_t i = 0; i < values.size(); ++i) poke<uint32_t>(kTss2 + 0x48 + i * 4, values[i]);
    }
    CpuResult go(TaskSwitchSource source, TaskSwitch request = {}) {
        request.tss = kNext;
        request.source = source;
        request.return_rip = kReturn;
        return switch_task(cpu, mmu, request);
    }
    uint32_t old_flags() const { return peek<uint32_t>(kTss + 0x24); }
};

TEST(TaskSwitches, SaveTheOldTaskAndLoadTheNew) {
    Tasks machine;
    ASSERT_TRUE(machine.go(TaskSwitchSource::JMP).done());
    EXPECT_EQ(machine.peek<uint32_t>(Machine::kTss + 0x20), kReturn);
    EXPECT_EQ(machine.old_flags(), x86::rflags::kFixed1 | x86::rflags::CF);
    for (unsigned i = 0; i < 8; ++i) {
        EXPECT_EQ(machine.peek<uint32_t>(Machine::kTss + 0x28 + uint64_t{i} * 4), 0x1000 + i);
        EXPECT_EQ(machine.cpu.gpr(static_cast<Gpr>(i)), 0x8000'0000 + i * 0x100);
    }
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss + 0x4c), sel::kCode32);
    EXPECT_EQ(machine.cpu.rip(), 0x7000u);
    EXPECT_EQ(machine.cpu.rflags(), x86::rflags::kFixed1 | x86::rflags::IF);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::GS), sel::kUserData32);
    EXPECT_EQ(machine.cpu.segment(SegmentRegister::SS).limit, 0xffffffffu);
    EXPECT_TRUE(machine.cpu.segment(SegmentRegister::FS).rights.unusable());
    EXPECT_NE(machine.cpu.cr0() & x86::cr0::TS, 0u);
    EXPECT_EQ(machine.cpu.segment(SegmentRegister::TR), (x86::Segment{kNext, Machine::kTss2, 0x67, {kBusy}}));
}

TEST(TaskSwitches, AJumpLeavesTheOldTaskForGood) {
    Tasks machine;
    ASSERT_TRUE(machine.go(TaskSwitchSource::JMP).done());
    EXPECT_EQ(machine.descriptor_access(sel::kTss), kAvailable);
    EXPECT_EQ(machine.descriptor_access(kNext), kBusy);
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss2), 0u) << "no link";
    EXPECT_EQ(machine.cpu.rflags() & x86::rflags::NT, 0u);
}

TEST(TaskSwitches, ACallNestsAndIretReturns) {
    Tasks machine;
    ASSERT_TRUE(machine.go(TaskSwitchSource::CALL).done());
    EXPECT_EQ(machine.descriptor_access(sel::kTss), kBusy);
    EXPECT_EQ(machine.descriptor_access(kNext), kBusy);
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss2), sel::kTss);
    EXPECT_NE(machine.cpu.rflags() & x86::rflags::NT, 0u);

    TaskSwitch back{sel::kTss, TaskSwitchSource::IRET, 0x7777};
    ASSERT_TRUE(switch_task(machine.cpu, machine.mmu, back).done());
    EXPECT_EQ(machine.cpu.rip(), kReturn);
    EXPECT_EQ(machine.cpu.gpr(Gpr::RBX), 0x1003u);
    EXPECT_EQ(machine.cpu.rflags() & x86::rflags::NT, 0u);
    EXPECT_EQ(machine.descriptor_access(sel::kTss), kBusy);
    EXPECT_EQ(machine.descriptor_access(kNext), kAvailable);
    EXPECT_EQ(machine.peek<uint32_t>(Machine::kTss2 + 0x20), 0x7777u);
    EXPECT_EQ(machine.peek<uint32_t>(Machine::kTss2 + 0x24) & x86::rflags::NT, 0u);
}

TEST(TaskSwitches, AnEventPushesItsErrorCodeOnTheNewStack) {
    Tasks machine;
    machine.poke<uint32_t>(Machine::kTss2 + 0x38, Machine::kInnerStack);
    TaskSwitch request;
    request.error_code = 0x1234;
    request.resume_flag = true;
    ASSERT_TRUE(machine.go(TaskSwitchSource::IDT_TASK_GATE, request).done());
    EXPECT_EQ(machine.rsp(), Machine::kInnerStack - 4);
    EXPECT_EQ(machine.peek<uint32_t>(Machine::kInnerStack - 4), 0x1234u);
    EXPECT_NE(machine.old_flags() & x86::rflags::RF, 0u);
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss2), sel::kTss);
}

TEST(TaskSwitches, Of16BitsHaveNeitherCr3NorFsNorGs) {
    Tasks machine;
    machine.descriptor(kNext, Machine::kTss2, 0x2b, 0x81);
    for (unsigned at = 0; at < 0x68; at += 2) machine.poke<uint16_t>(Machine::kTss2 + at, 0);
    machine.poke<uint16_t>(Machine::kTss2 + 0x0e, 0x7000);
    machine.poke<uint16_t>(Machine::kTss2 + 0x10, x86::rflags::kFixed1);
    machine.poke<uint16_t>(Machine::kTss2 + 0x18, 0xbbbb);  // BX
    machine.poke<uint16_t>(Machine::kTss2 + 0x24, sel::kCode16);
    machine.poke<uint16_t>(Machine::kTss2 + 0x26, sel::kData16);
    ASSERT_TRUE(machine.go(TaskSwitchSource::CALL).done());
    EXPECT_EQ(machine.cpu.rip(), 0x7000u);
    EXPECT_EQ(machine.cpu.gpr(Gpr::RBX) & 0xffff, 0xbbbbu);
    EXPECT_TRUE(machine.cpu.segment(SegmentRegister::FS).rights.unusable());
    EXPECT_EQ(machine.descriptor_access(kNext), 0x83u);
    machine.cpu.set_gpr(Gpr::RCX, 0x1234);
    ASSERT_TRUE(switch_task(machine.cpu, machine.mmu, {sel::kTss, TaskSwitchSource::IRET, 0x7100}).done());
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss2 + 0x0e), 0x7100u);
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss2 + 0x14), 0x1234u);
    EXPECT_EQ(machine.peek<uint16_t>(Machine::kTss2 + 0x24), sel::kCode16);
}

TEST(TaskSwitches, LoadCr3OnlyWithPaging) {
    Tasks unpaged;
    unpaged.poke<uint32_t>(Machine::kTss2 + 0x1c, 0x5000);
    ASSERT_TRUE(unpaged.go(TaskSwitchSource::JMP).done());
    EXPECT_EQ(unpaged.cpu.cr3(), 0u);

    Tasks paged;
    for (const uint64_t directory : {Machine::kTables, Machine::kTables + 0x1000})
        for (uint32_t i = 0; i < 4; ++i) paged.poke<uint32_t>(directory + uint64_t{i} * 4, i << 22 | 0xe7);
    paged.cpu.set_cr3(Machine::kTables);
    paged.cpu.set_cr4(x86::cr4::PSE);
    paged.cpu.set_cr0(paged.cpu.cr0() | x86::cr0::PG);
    PagingState paging;
    paging.cr0 = paged.cpu.cr0();
    paging.cr3 = paged.cpu.cr3();
    paging.cr4 = paged.cpu.cr4();
    paged.mmu.set_paging(paging);
    paged.poke<uint32_t>(Machine::kTss2 + 0x1c, Machine::kTables + 0x1000);
    ASSERT_TRUE(paged.go(TaskSwitchSource::JMP).done());
    EXPECT_EQ(paged.cpu.cr3(), Machine::kTables + 0x1000);
    EXPECT_EQ(paged.mmu.paging().cr3, Machine::kTables + 0x1000);
}

TEST(TaskSwitches, ToVirtual8086AndToPrivilege3) {
    Tasks v8086;
    v8086.poke<uint32_t>(Machine::kTss2 + 0x24, x86::rflags::kFixed1 | x86::rflags::VM);
    v8086.selectors({0x100, 0x200, 0x300, 0x400, 0x500, 0x600});
    ASSERT_TRUE(v8086.go(TaskSwitchSource::JMP).done());
    EXPECT_TRUE(v8086.cpu.v8086());
    EXPECT_EQ(v8086.cpu.cpl(), 3u);
    EXPECT_EQ(v8086.cpu.segment_base(SegmentRegister::CS), 0x2000u);

    Tasks user;
    user.selectors({0, sel::kUserCode32, sel::kUserData32, sel::kUserData32, 0, 0});
    ASSERT_TRUE(user.go(TaskSwitchSource::JMP).done());
    EXPECT_EQ(user.cpu.cpl(), 3u);
}

// SDM Vol. 3A table 8-1: faults of the new task, whose TSS is loaded.
TEST(TaskSwitches, FaultsOfTheNewTask) {
    using namespace rights;
    constexpr uint16_t kGood[] = {sel::kData32, sel::kCode32, sel::kData32, sel::kData32, 0, 0};
    const struct {
        unsigned at;  // 0 to 5: a segment; 6: LDTR
        uint32_t access;
        uint16_t rpl;
        Vector vector;
        unsigned error_code;
    } cases[] = {
        {1, kData, 0, Vector::TS, kBad},              // CS is data
        {1, kCode | kDpl3, 0, Vector::TS, kBad},      // DPL of CS is not its RPL
        {1, kCode & ~kPresent, 0, Vector::NP, kBad},  //
        {2, kCode, 0, Vector::TS, kBad},              // SS is code
        {2, kData | kDpl3, 0, Vector::TS, kBad},      // DPL of SS is not CPL
        {2, kData, 3, Vector::TS, kBad},              // nor its RPL
        {2, kData & ~kPresent, 0, Vector::SS, kBad},  //
        {3, kBusy, 0, Vector::TS, kBad},              // DS is a TSS
        {3, kCode & ~2u, 0, Vector::TS, kBad},        // DS cannot be read
        {0, kData & ~kPresent, 0, Vector::NP, kBad},  //
        {4, kData, 3, Vector::TS, kBad},              // DPL of FS below its RPL
        {6, kData, 0, Vector::TS, kBad},              // LDTR is data
        {6, 0x82 & ~kPresent, 0, Vector::TS, kBad},   //
        {6, 0x82, 4, Vector::TS, kBad | 4},           // LDTR in the LDT
        {2, kData, 0x80, Vector::TS, kBad + 0x80},    // beyond the GDT
    };
    for (const auto& one : cases) {
        Tasks machine;
        machine.selectors({std::begin(kGood), std::end(kGood)});
        machine.descriptor(kBad, 0, 0xffff, one.access);
        machine.poke<uint32_t>(Machine::kTss2 + (one.at == 6 ? 0x60 : 0x48 + one.at * 4), kBad + one.rpl);
        const CpuResult result = machine.go(TaskSwitchSource::JMP);
        ASSERT_EQ(result.kind, Kind::Fault) << one.at << " " << std::hex << one.access;
        EXPECT_EQ(result.event, Event::exception(one.vector, one.error_code)) << one.at << " " << one.access;
        EXPECT_EQ(machine.cpu.selector(SegmentRegister::TR), kNext);
        EXPECT_EQ(machine.cpu.rip(), 0x7000u);
    }
    Tasks beyond;
    beyond.descriptor(sel::kCode32, 0, 0xfff, kCode | kBig);
    EXPECT_EQ(beyond.go(TaskSwitchSource::JMP).event, Event::exception(Vector::GP, 0));
}

TEST(TaskSwitches, FaultsOfTheOldTaskChangeNothing) {
    Tasks machine;
    machine.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, 0x5e, {kBusy}});
    TaskSwitch request;
    request.external = true;
    const CpuResult result = machine.go(TaskSwitchSource::IDT_TASK_GATE, request);
    EXPECT_EQ(result.event, Event::exception(Vector::TS, sel::kTss | x86::selector_error::EXT));
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::TR), sel::kTss);
    EXPECT_EQ(machine.descriptor_access(kNext), kAvailable);
    machine.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, 0x5f, {kBusy}});
    EXPECT_TRUE(machine.go(TaskSwitchSource::IDT_TASK_GATE, request).done());
}

TEST(TaskSwitches, TheDebugTrapOfATssIsRead) {
    Tasks machine;
    bool set = true;
    ASSERT_TRUE(read_debug_trap(machine.cpu, machine.mmu, set).done());
    EXPECT_FALSE(set);
    machine.poke<uint16_t>(Machine::kTss + 0x64, 1);
    ASSERT_TRUE(read_debug_trap(machine.cpu, machine.mmu, set).done());
    EXPECT_TRUE(set);
}

}  // namespace
}  // namespace vtless::sim::test
