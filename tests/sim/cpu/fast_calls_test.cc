// SPDX-License-Identifier: MIT
#include "sim/cpu/fast_calls.h"

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

namespace rf = x86::rflags;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

constexpr uint64_t kStar = uint64_t{0x23} << 48 | uint64_t{0x10} << 32;  // as Linux sets it
constexpr uint64_t kTarget = 0xffff'8000'0010'0000;

void expect_flat(const CpuState& cpu, SegmentRegister index, uint16_t selector, uint32_t rights) {
    EXPECT_EQ(cpu.segment(index), (x86::Segment{selector, 0, 0xffffffff, {rights}})) << name(index);
}

struct SyscallMachine : Machine {
    explicit SyscallMachine(unsigned privilege) : Machine(Mode::Long64, privilege) {
        cpu.set_efer(cpu.efer() | x86::efer::SCE);
        cpu.set_star(kStar);
        cpu.set_lstar(kTarget);
    }
};

TEST(FastCalls, SyscallEntersTheKernelWithFlatSegments) {
    SyscallMachine machine(3);
    CpuState cpu = machine.storage.view();
    cpu.set_fmask(rf::IF | rf::TF | rf::DF | 2);
    cpu.set_rflags(0x602 | rf::CF);
    cpu.set_interrupt_shadow(true);
    ASSERT_TRUE(syscall(cpu, 2).done());
    EXPECT_EQ(cpu.gpr(Gpr::RCX), Machine::kCode + 2);
    EXPECT_EQ(cpu.gpr(Gpr::R11), 0x602 | rf::CF);
    EXPECT_EQ(cpu.rip(), kTarget);
    EXPECT_EQ(cpu.rflags(), 2 | rf::CF) << "bit 1 stays whatever the mask says";
    expect_flat(cpu, SegmentRegister::CS, 0x10, 0xa09b);
    expect_flat(cpu, SegmentRegister::SS, 0x18, 0xc093);
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(cpu.gpr(Gpr::RSP), Machine::kStack);
    EXPECT_FALSE(cpu.interrupt_shadow());
}

TEST(FastCalls, SyscallIsUndefinedOutside64BitModeOrDisabled) {
    for (const Mode mode : {Mode::Real, Mode::V8086, Mode::Protected32, Mode::Compatibility}) {
        Machine machine(mode);
        machine.cpu.set_efer(machine.cpu.efer() | x86::efer::SCE);
        EXPECT_EQ(syscall(machine.cpu, 2).event, Event::exception(Vector::UD));
        EXPECT_EQ(sysret(machine.cpu, machine.mmu, 4).event, Event::exception(Vector::UD));
    }
    Machine machine(Mode::Long64);
    EXPECT_EQ(syscall(machine.cpu, 2).event, Event::exception(Vector::UD));
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
}

TEST(FastCalls, SysretReturnsTo64BitOrCompatibilityMode) {
    SyscallMachine machine(0);
    CpuState cpu = machine.storage.view();
    cpu.set_gpr(Gpr::RCX, 0x1'0000'1000);
    cpu.set_gpr(Gpr::R11, ~uint64_t{0});
    ASSERT_TRUE(sysret(cpu, machine.mmu, 8).done());
    EXPECT_EQ(cpu.rip(), 0x1'0000'1000u);
    EXPECT_EQ(cpu.rflags(), 0x3c7fd7u & ~rf::RF) << "VM is never loaded, RF does not outlive the instruction";
    expect_flat(cpu, SegmentRegister::CS, 0x33, 0xa0fb);
    expect_flat(cpu, SegmentRegister::SS, 0x2b, 0xc0f3);
    EXPECT_EQ(cpu.cpl(), 3u);

    SyscallMachine compatibility(0);
    cpu = compatibility.storage.view();
    cpu.set_gpr(Gpr::RCX, 0x1'0000'1000);
    ASSERT_TRUE(sysret(cpu, compatibility.mmu, 4).done());
    EXPECT_EQ(cpu.rip(), 0x1000u);
    expect_flat(cpu, SegmentRegister::CS, 0x23, 0xc0fb);
    EXPECT_FALSE(cpu.code64());
}

TEST(FastCalls, SysretRefusesUsersAndNonCanonicalTargets) {
    SyscallMachine user(3);
    EXPECT_EQ(sysret(user.cpu, user.mmu, 8).event, Event::exception(Vector::GP, 0));
    SyscallMachine machine(0);
    machine.cpu.set_gpr(Gpr::RCX, bit(47));
    EXPECT_EQ(sysret(machine.cpu, machine.mmu, 8).event, Event::exception(Vector::GP, 0));
    EXPECT_TRUE(sysret(machine.cpu, machine.mmu, 4).done());
}

TEST(FastCalls, SysenterLoadsStackAndTargetFromItsMsrs) {
    for (const Mode mode : {Mode::Protected32, Mode::Compatibility, Mode::V8086}) {
        Machine machine(mode, 3);
        CpuState& cpu = machine.cpu;
        cpu.set_sysenter_cs(0x2b);
        cpu.set_sysenter_esp(0xffff'8000'0000'2000);
        cpu.set_sysenter_eip(kTarget);
        cpu.set_rflags(cpu.rflags() | rf::IF);
        ASSERT_TRUE(sysenter(cpu).done());
        const bool wide = mode == Mode::Compatibility;
        EXPECT_EQ(cpu.gpr(Gpr::RSP), wide ? 0xffff'8000'0000'2000u : 0x2000u);
        EXPECT_EQ(cpu.rip(), wide ? kTarget : kTarget & 0xffffffff);
        EXPECT_EQ(cpu.rflags() & (rf::IF | rf::VM), 0u);
        expect_flat(cpu, SegmentRegister::CS, 0x28, wide ? 0xa09b : 0xc09b);
        expect_flat(cpu, SegmentRegister::SS, 0x30, 0xc093);
        EXPECT_EQ(cpu.cpl(), 0u);
    }
}

TEST(FastCalls, SysenterAndSysexitNeedProtectedModeAndASelector) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_sysenter_cs(3);
    EXPECT_EQ(sysenter(machine.cpu).event, Event::exception(Vector::GP, 0));
    EXPECT_EQ(sysexit(machine.cpu, machine.mmu, 4).event, Event::exception(Vector::GP, 0));
    Machine real(Mode::Real);
    real.cpu.set_sysenter_cs(8);
    EXPECT_EQ(sysenter(real.cpu).event, Event::exception(Vector::GP));
}

TEST(FastCalls, SysexitReturnsToUserMode) {
    Machine machine(Mode::Long64);
    CpuState& cpu = machine.cpu;
    cpu.set_sysenter_cs(0x10);
    cpu.set_gpr(Gpr::RCX, 0x1'0000'8000);
    cpu.set_gpr(Gpr::RDX, 0x1'0000'1000);
    ASSERT_TRUE(sysexit(cpu, machine.mmu, 8).done());
    EXPECT_EQ(cpu.gpr(Gpr::RSP), 0x1'0000'8000u);
    EXPECT_EQ(cpu.rip(), 0x1'0000'1000u);
    expect_flat(cpu, SegmentRegister::CS, 0x33, 0xa0fb);
    expect_flat(cpu, SegmentRegister::SS, 0x3b, 0xc0f3);
    EXPECT_EQ(sysexit(cpu, machine.mmu, 8).event, Event::exception(Vector::GP, 0)) << "CPL is 3 now";

    Machine legacy(Mode::Long64);
    legacy.cpu.set_sysenter_cs(0x10);
    legacy.cpu.set_gpr(Gpr::RCX, 0x1'0000'8000);
    legacy.cpu.set_gpr(Gpr::RDX, bit(47) | 0x1000);
    EXPECT_EQ(sysexit(legacy.cpu, legacy.mmu, 8).event, Event::exception(Vector::GP, 0));
    ASSERT_TRUE(sysexit(legacy.cpu, legacy.mmu, 4).done());
    EXPECT_EQ(legacy.cpu.gpr(Gpr::RSP), 0x8000u);
    EXPECT_EQ(legacy.cpu.rip(), 0x1000u);
    expect_flat(legacy.cpu, SegmentRegister::CS, 0x23, 0xc0fb);
}

}  // namespace
}  // namespace vtless::sim::test
