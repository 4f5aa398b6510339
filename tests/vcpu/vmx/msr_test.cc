// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using x86::EventInfo;
using x86::Msr;
using x86::Vector;
namespace efer = x86::efer;

struct Msrs : testing::Test {
    VmExit read(uint64_t number) {
        machine.set_gpr(Gpr::RCX, number);
        return machine.run_exit(ExitReason::RDMSR);
    }
    VmExit write(uint64_t number, uint64_t value) {
        machine.set_gpr(Gpr::RCX, number);
        machine.set_gpr(Gpr::RAX, (value & 0xffffffff) | 0xabcd00000000);
        machine.set_gpr(Gpr::RDX, (value >> 32) | 0xabcd00000000);
        return machine.run_exit(ExitReason::WRMSR);
    }
    bool faults() { return machine.next_injection().vector() == 13; }
    Machine machine;
};

// Upstream reports register 0 and leaves RIP: the guest executes RDMSR for ever, and EDX is lost.
TEST_F(Msrs, ReadIsTheEmbeddersWithRipAdvanced) {
    EXPECT_EQ(read(0xfeed00000c0f), VmExit(VmExit::SysRegRead{0xc0f, 0}));
    EXPECT_EQ(machine.rip(), 0x7c02u);
    ASSERT_TRUE(machine.vcpu().complete_sysreg_read(0x1122334455667788));
    EXPECT_EQ(machine.gpr(Gpr::RAX), 0x55667788u);
    EXPECT_EQ(machine.gpr(Gpr::RDX), 0x11223344u);
    EXPECT_FALSE(machine.vcpu().complete_sysreg_read(0));
}

TEST_F(Msrs, WriteIsTheEmbeddersWithRipAdvanced) {
    EXPECT_EQ(write(0x40000000, 0x1122334455667788),
              VmExit(VmExit::SysRegWrite{0x40000000, 0x1122334455667788}));
    EXPECT_EQ(machine.rip(), 0x7c02u);
    EXPECT_FALSE(machine.vcpu().complete_sysreg_read(0));
}

TEST_F(Msrs, EmbedderMayRefuse) {
    for (bool writes : {false, true}) {
        machine.field(VmcsField::GUEST_RIP) = 0x7c00;
        machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::TF;
        writes ? write(0x123, 0) : read(0x123);
        ASSERT_TRUE(machine.vcpu().fail_sysreg_access());
        EXPECT_EQ(machine.rip(), 0x7c00u);
        EXPECT_EQ(machine.field(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS), 0u);
        EXPECT_TRUE(faults());
        EXPECT_FALSE(machine.vcpu().fail_sysreg_access());
    }
}

TEST_F(Msrs, WithoutALocalApicItsMsrsAreTheEmbedders) {
    EXPECT_EQ(read(0x802), VmExit(VmExit::SysRegRead{0x802, 0}));
}

TEST_F(Msrs, EferIsTheGuests) {
    machine.field(VmcsField::GUEST_IA32_EFER) = efer::SCE;
    EXPECT_TRUE(read(0xc0000080).is<VmExit::Nothing>());
    EXPECT_EQ(machine.gpr(Gpr::RAX), efer::SCE);
    EXPECT_TRUE(write(0xc0000080, efer::LME | efer::NXE).is<VmExit::Nothing>());
    EXPECT_EQ(machine.field(VmcsField::GUEST_IA32_EFER), efer::LME | efer::NXE);
}

TEST_F(Msrs, EferRefusesReservedBitsAndLmeUnderPaging) {
    write(0xc0000080, bit(5));
    EXPECT_TRUE(faults());
    machine.enter_long_mode();
    write(0xc0000080, 0);
    EXPECT_TRUE(faults());
    EXPECT_TRUE(write(0xc0000080, efer::LME | efer::SCE).is<VmExit::Nothing>());
    EXPECT_EQ(machine.field(VmcsField::GUEST_IA32_EFER), efer::LME | efer::LMA | efer::SCE);
}

TEST_F(Msrs, EferWithoutNxRefusesNxe) {
    ASSERT_TRUE(machine.vcpu().unbind());
    machine.hw.cpuids[{x86::cpuid::kExtendedFeatures, 0}].edx = 0;
    ASSERT_TRUE(machine.vcpu().setup({}));
    ASSERT_TRUE(machine.vcpu().bind());
    write(0xc0000080, efer::NXE);
    EXPECT_TRUE(faults());
}

TEST_F(Msrs, SwitchedByBindAndUnbind) {
    auto& msrs = machine.hw.msrs;
    EXPECT_EQ(msrs[Msr::IA32_LSTAR], 0u);  // bound: the guest's
    msrs[Msr::IA32_LSTAR] = 0x77;          // which it writes without an exit
    machine.hw.cr2 = 0x88;
    ASSERT_TRUE(machine.vcpu().unbind());
    EXPECT_EQ(msrs[Msr::IA32_LSTAR], 2u);
    EXPECT_EQ(msrs[Msr::IA32_KERNEL_GS_BASE], 5u);
    EXPECT_EQ(machine.hw.cr2, 0u);
    ASSERT_TRUE(machine.vcpu().bind());
    EXPECT_EQ(msrs[Msr::IA32_LSTAR], 0x77u);
    EXPECT_EQ(machine.hw.cr2, 0x88u);
}

}  // namespace
}  // namespace vtless::test
