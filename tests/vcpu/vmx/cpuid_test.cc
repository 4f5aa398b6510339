// SPDX-License-Identifier: MIT
#include "isa/x86/cpuid.h"

#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using namespace x86::cpuid;
using x86::CpuidResult;

template <class M>
CpuidResult cpuid(M& machine, uint64_t leaf, uint64_t subleaf = 0) {
    machine.set_gpr(Gpr::RAX, leaf);
    machine.set_gpr(Gpr::RCX, subleaf);
    EXPECT_TRUE(machine.run_exit(ExitReason::CPUID).template is<VmExit::Nothing>());
    const auto low = [&](Gpr gpr) {
        EXPECT_EQ(machine.gpr(gpr) >> 32, 0u);
        return static_cast<uint32_t>(machine.gpr(gpr));
    };
    return {low(Gpr::RAX), low(Gpr::RBX), low(Gpr::RCX), low(Gpr::RDX)};
}

TEST(VmxCpuid, HidesVmxAndMachineChecksAndShowsAHypervisor) {
    Machine machine;
    const CpuidResult result = cpuid(machine, kFeatures);
    EXPECT_EQ(result.ecx, leaf1_ecx::HYPERVISOR | leaf1_ecx::XSAVE);
    EXPECT_EQ(result.edx, leaf1_edx::FPU);  // MCE is hidden in EDX; upstream clears the bit in EAX
    EXPECT_EQ(result.ebx >> 24, 2u);        // the vCPU's id
}

TEST(VmxCpuid, OffersTheLocalApicThatThereIs) {
    FakeApic apic;
    SetupConfig config;
    config.local_apic = &apic;
    Machine machine(config);
    const CpuidResult result = cpuid(machine, kFeatures);
    EXPECT_NE(result.ecx & leaf1_ecx::X2APIC, 0u);
    EXPECT_NE(result.edx & leaf1_edx::APIC, 0u);
}

TEST(VmxCpuid, OsxsaveFollowsTheGuestsCr4) {
    Machine machine;
    EXPECT_EQ(cpuid(machine, kFeatures).ecx & leaf1_ecx::OSXSAVE, 0u);
    machine.field(VmcsField::GUEST_CR4) |= x86::cr4::OSXSAVE;
    EXPECT_NE(cpuid(machine, kFeatures).ecx & leaf1_ecx::OSXSAVE, 0u);
}

TEST(VmxCpuid, SignatureIsOurs) {
    Machine machine;
    const CpuidResult result = cpuid(machine, 0x40000000);
    EXPECT_EQ(result.eax, 0x40000001u);
    char text[13] = {};
    std::memcpy(text, &result.ebx, 4);
    std::memcpy(text + 4, &result.ecx, 4);
    std::memcpy(text + 8, &result.edx, 4);
    EXPECT_STREQ(text, "VTLESSVTLESS");
    EXPECT_EQ(cpuid(machine, 0x40000001), CpuidResult{});
}

// Upstream tests all of RCX.
TEST(VmxCpuid, SubleafIsEcxNotRcx) {
    Machine machine;
    machine.hw.cpuids[{kStructuredFeatures, 0}] = {0, 0,
                                                   leaf7_ecx::LA57 | leaf7_ecx::WAITPKG | leaf7_ecx::UMIP, 0};
    EXPECT_EQ(cpuid(machine, kStructuredFeatures, bit(40)).ecx, leaf7_ecx::UMIP);
}

TEST(VmxCpuid, LeafIsEaxNotRax) {
    Machine machine;
    EXPECT_NE(cpuid(machine, bit(40) | kFeatures).ecx & leaf1_ecx::HYPERVISOR, 0u);
}

TEST(VmxCpuid, OtherSubleavesOfLeaf7ArePassedOn) {
    Machine machine;
    machine.hw.cpuids[{kStructuredFeatures, 1}] = {0, 0, leaf7_ecx::LA57, 0};
    EXPECT_EQ(cpuid(machine, kStructuredFeatures, 1).ecx, leaf7_ecx::LA57);
}

TEST(VmxCpuid, XsaveLeafIsAskedUnderTheGuestsXcr0) {
    Machine machine;
    machine.field(VmcsField::GUEST_CR4) |= x86::cr4::OSXSAVE;
    machine.set_gpr(Gpr::RAX, 7);
    machine.set_gpr(Gpr::RCX, 0);
    machine.set_gpr(Gpr::RDX, 0);
    machine.run_exit(ExitReason::XSETBV);
    cpuid(machine, kXsave);
    EXPECT_EQ(machine.hw.xcr0_at_cpuid, 7u);
    EXPECT_EQ(machine.hw.xcr0, 1u);
}

TEST(VmxCpuid, FeaturesWithoutTheirControlAreHidden) {
    Machine machine;
    EXPECT_NE(cpuid(machine, kExtendedFeatures).edx & extended_edx::RDTSCP, 0u);
    EXPECT_EQ(cpuid(machine, kExtendedFeatures).ecx, 0u);  // SVM
    ASSERT_TRUE(machine.vcpu().unbind());
    machine.hw.msrs[x86::Msr::IA32_VMX_PROCBASED_CTLS2] &=
        ~(uint64_t{x86::SecondaryControls::ENABLE_RDTSCP} << 32);
    ASSERT_TRUE(machine.vcpu().setup({}));
    ASSERT_TRUE(machine.vcpu().bind());
    EXPECT_EQ(cpuid(machine, kExtendedFeatures).edx & extended_edx::RDTSCP, 0u);
}

TEST(VmxCpuid, FrequencyIsNeverZero) {
    Machine machine;
    EXPECT_EQ(cpuid(machine, kProcessorFrequency).eax, 3000u);
    machine.hw.cpuids[{kProcessorFrequency, 0}] = {2100, 0, 0, 0};
    EXPECT_EQ(cpuid(machine, kProcessorFrequency).eax, 2100u);
}

TEST(VmxCpuid, HookHasTheLastWord) {
    SetupConfig config;
    int calls = 0;
    config.cpuid_hook = {[](void* context, uint32_t leaf, uint32_t subleaf, CpuidResult& result) {
                             ++*static_cast<int*>(context);
                             if (leaf == kFeatures && subleaf == 3) result.ecx &= ~leaf1_ecx::HYPERVISOR;
                         },
                         &calls};
    Machine machine(config);
    EXPECT_EQ(cpuid(machine, kFeatures, 3).ecx & leaf1_ecx::HYPERVISOR, 0u);
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace vtless::test
