// SPDX-License-Identifier: MIT
#include "vcpu/vmx/vmx_per_cpu.h"

#include <gtest/gtest.h>

#include "tests/vcpu/vmx/fake_hw.h"
#include "vcpu/per_cpu.h"

namespace vtless::test {
namespace {

using vmx::Failure;
using vmx::FailureDetail;
using x86::Msr;
using x86::cr4::VMXE;

struct VmxPerCpuTest : testing::Test {
    VmxPerCpuTest() {
        hw.in_vmx = false;
        hw.cr4 &= ~VMXE;
        EXPECT_TRUE(cpu.init(0, {&hw}));
    }
    FailureDetail refusal() {
        const auto done = cpu.hardware_enable();
        EXPECT_FALSE(done);
        EXPECT_FALSE(cpu.is_enabled());
        EXPECT_FALSE(hw.in_vmx);
        code = done ? VCpuErrc::Backend : done.error().code;
        return done ? FailureDetail{} : FailureDetail::decode(done.error().detail);
    }
    FakeHw hw;
    PerCpu<vmx::VmxPerCpu<FakeHw>> cpu;
    VCpuErrc code{};
};

TEST_F(VmxPerCpuTest, EnablesAndDisables) {
    ASSERT_TRUE(cpu.hardware_enable());
    EXPECT_TRUE(cpu.is_enabled());
    EXPECT_TRUE(hw.in_vmx);
    EXPECT_NE(hw.cr4 & VMXE, 0u);
    ASSERT_TRUE(cpu.hardware_disable());
    EXPECT_FALSE(hw.in_vmx);
    EXPECT_EQ(hw.cr4 & VMXE, 0u);
    ASSERT_TRUE(cpu.hardware_enable());
}

TEST_F(VmxPerCpuTest, RefusesToBeEnabledOrDisabledTwice) {
    const auto disabled = cpu.hardware_disable();
    ASSERT_FALSE(disabled);
    EXPECT_EQ(disabled.error().code, VCpuErrc::BadState);
    ASSERT_TRUE(cpu.hardware_enable());
    const auto enabled = cpu.hardware_enable();
    ASSERT_FALSE(enabled);
    EXPECT_EQ(enabled.error().code, VCpuErrc::ResourceBusy);
    EXPECT_TRUE(cpu.is_enabled());
}

TEST_F(VmxPerCpuTest, RefusesAProcessorInUse) {
    hw.cr4 |= VMXE;
    EXPECT_EQ(refusal().what, Failure::VmxeAlreadySet);
    EXPECT_EQ(code, VCpuErrc::ResourceBusy);
}

TEST_F(VmxPerCpuTest, RefusesAProcessorWithoutVmx) {
    hw.cpuids[{x86::cpuid::kFeatures, 0}].ecx = 0;
    EXPECT_EQ(refusal().what, Failure::NoVmx);
    EXPECT_EQ(code, VCpuErrc::Unsupported);
}

TEST_F(VmxPerCpuTest, SetsAnUnlockedFeatureControlAndRespectsALockedOne) {
    hw.msrs[Msr::IA32_FEATURE_CONTROL] = x86::feature_control::LOCK;
    EXPECT_EQ(refusal().what, Failure::FeatureControl);
    hw.msrs[Msr::IA32_FEATURE_CONTROL] = 0;
    ASSERT_TRUE(cpu.hardware_enable());
    EXPECT_EQ(hw.msrs[Msr::IA32_FEATURE_CONTROL], 5u);
}

// Upstream's check is true of every value.
TEST_F(VmxPerCpuTest, ChecksFixedBitsOfCr0) {
    hw.cr0 &= ~x86::cr0::NE;
    EXPECT_EQ(refusal(), (FailureDetail{Failure::FixedBits, 0, x86::cr0::NE}));
    hw.cr0 |= x86::cr0::NE;
    hw.msrs[Msr::IA32_VMX_CR0_FIXED1] &= ~x86::cr0::WP;
    hw.cr0 |= x86::cr0::WP;
    EXPECT_EQ(refusal(), (FailureDetail{Failure::FixedBits, 0, x86::cr0::WP}));
}

TEST_F(VmxPerCpuTest, ChecksFixedBitsOfCr4) {
    hw.msrs[Msr::IA32_VMX_CR4_FIXED1] &= ~x86::cr4::PAE;
    EXPECT_EQ(refusal(), (FailureDetail{Failure::FixedBits, 4, x86::cr4::PAE}));
    hw.msrs[Msr::IA32_VMX_CR4_FIXED1] |= x86::cr4::PAE;
    hw.msrs[Msr::IA32_VMX_CR4_FIXED0] |= x86::cr4::PGE;
    EXPECT_EQ(refusal(), (FailureDetail{Failure::FixedBits, 4, x86::cr4::PGE}));
}

TEST_F(VmxPerCpuTest, ChecksVmxBasic) {
    const uint64_t good = hw.msrs[Msr::IA32_VMX_BASIC];
    for (uint64_t bad : {good & ~x86::VmxBasic::kInsOutsInformation, good | x86::VmxBasic::kAddresses32,
                         good & ~(uint64_t{15} << 50), good | uint64_t{4097} << 32}) {
        hw.msrs[Msr::IA32_VMX_BASIC] = bad;
        EXPECT_EQ(refusal().what, Failure::VmxBasic) << bad;
    }
}

TEST_F(VmxPerCpuTest, MissingMsrIsNamed) {
    hw.msrs.erase(Msr::IA32_VMX_BASIC);
    EXPECT_EQ(refusal(), (FailureDetail{Failure::MsrAccess, 13, 0x480}));
}

TEST(VmxPerCpu, DisablesAndFreesOnDestruction) {
    FakeHw hw;
    hw.cr4 &= ~VMXE;
    {
        PerCpu<vmx::VmxPerCpu<FakeHw>> cpu;
        ASSERT_TRUE(cpu.init(0, {&hw}));
        ASSERT_TRUE(cpu.hardware_enable());
        EXPECT_EQ(hw.memory().live_frames, 1u);
    }
    EXPECT_FALSE(hw.in_vmx);
    EXPECT_EQ(hw.memory().live_frames, 0u);
}

}  // namespace
}  // namespace vtless::test
