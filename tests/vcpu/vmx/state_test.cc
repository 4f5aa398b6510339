// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using vmx::CpuMode;
namespace efer = x86::efer;

// Upstream reads the host's EFER: its guests are never in real or protected mode.
TEST(VmxState, CpuModeIsTheGuests) {
    Machine machine;
    machine.hw.msrs[x86::Msr::IA32_EFER] = efer::LME | efer::LMA;
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), CpuMode::Real);
    machine.field(VmcsField::GUEST_CR0) |= x86::cr0::PE;
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), CpuMode::Protected);
    machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::VM;
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), CpuMode::Virtual8086);
    machine.field(VmcsField::GUEST_RFLAGS) &= ~x86::rflags::VM;
    machine.enter_long_mode();
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), CpuMode::Mode64);
    machine.field(VmcsField::GUEST_CS_ACCESS_RIGHTS) = 0xc09b;
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), CpuMode::Compatibility);
}

TEST(VmxState, CodeAddressAddsTheBaseExceptIn64BitMode) {
    Machine machine;
    machine.field(VmcsField::GUEST_CS_BASE) = 0xffff0000;
    EXPECT_EQ(machine.vcpu().gla2gva(0xfff0), Gva(0xfffffff0));
    EXPECT_EQ(machine.vcpu().gla2gva(0x10010), Gva(0x10));
    machine.enter_long_mode();
    EXPECT_EQ(machine.vcpu().gla2gva(0xfff0), Gva(0xfff0));
}

TEST(VmxState, PagingInfo) {
    Machine machine;
    EXPECT_EQ(machine.vcpu().get_paging_info().levels, 0u);
    machine.enter_long_mode();
    machine.field(VmcsField::GUEST_CR4) |= x86::cr4::SMEP;
    machine.field(VmcsField::GUEST_CR0) |= x86::cr0::WP;
    const vmx::PagingInfo info = machine.vcpu().get_paging_info();
    EXPECT_EQ(info.levels, 4u);
    EXPECT_TRUE(info.smep && info.write_protect && info.no_execute);
    EXPECT_FALSE(info.smap || info.user);
}

TEST(VmxState, RegistersByIndexIncludingTheStackPointer) {
    Machine machine;
    for (size_t i = 0; i < 16; ++i) ASSERT_TRUE(machine.vcpu().set_gpr(i, 0x100 + i));
    EXPECT_EQ(machine.field(VmcsField::GUEST_RSP), 0x104u);
    uint64_t seen = 0;
    machine.hw.on_entry([&](FakeHw& hw) {
        seen = hw.gprs().get(Gpr::R15);
        hw.gprs().set(Gpr::RBP, 0x55);
        hw.set_exit(12);
    });
    machine.run();
    EXPECT_EQ(seen, 0x10fu);
    EXPECT_EQ(*machine.vcpu().get_gpr(5), 0x55u);
}

TEST(VmxState, IndexBeyondTheRegistersIsRefused) {
    Machine machine;
    const auto done = machine.vcpu().set_gpr(16, 0);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), VCpuError::of(VCpuErrc::InvalidInput, 16));
    EXPECT_FALSE(machine.vcpu().get_gpr(16));
}

TEST(VmxState, StackPointerIsKeptWhileUnbound) {
    Machine machine;
    machine.field(VmcsField::GUEST_RSP) = 0x1234;
    ASSERT_TRUE(machine.vcpu().unbind());
    EXPECT_EQ(machine.gpr(Gpr::RSP), 0x1234u);
    machine.set_gpr(Gpr::RSP, 0x5678);
    ASSERT_TRUE(machine.vcpu().bind());
    EXPECT_EQ(machine.field(VmcsField::GUEST_RSP), 0x5678u);
}

TEST(VmxState, EntryMovesABoundGuest) {
    Machine machine;
    machine.field(VmcsField::GUEST_CS_BASE) = 0x100;
    ASSERT_TRUE(machine.vcpu().set_entry(Gpa(0x500)));
    EXPECT_EQ(machine.rip(), 0x400u);
}

TEST(VmxState, NewEptRootFlushes) {
    Machine machine;
    machine.hw.invepts.clear();
    ASSERT_TRUE(machine.vcpu().set_ept_root(Hpa(0xe0000)));
    EXPECT_EQ(machine.field(VmcsField::EPT_POINTER) & ~uint64_t{0xfff}, 0xe0000u);
    EXPECT_EQ(machine.hw.invepts.size(), 1u);
    EXPECT_FALSE(machine.vcpu().set_ept_root(Hpa(0x123)));
}

}  // namespace
}  // namespace vtless::test
