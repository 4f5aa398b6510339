// SPDX-License-Identifier: MIT
// Processors with fewer capabilities than the engine: what is not advertised does not work.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "sim/vmx/advertise.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/entry_checks.h"
#include "sim/vmx/not_advertised.h"
#include "sim/vmx/vmx_processor.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using E = x86::EptVpidCapability;
using x86::Msr;

// The first check of the execution controls and the guest's registers that the valid VMCS, with one field
// changed, fails on a processor with these capabilities.
std::string failing(const VmxCapabilities& capabilities, F field, uint64_t value) {
    const HostMemory memory = HostMemory::create(1 << 20).value();
    Vmcs vmcs{Hpa(0x8000)};
    ValidVmcs{}.fill([&](F each, uint64_t valid) { vmcs.set(each, valid); });
    vmcs.set(field, value);
    const RootState root;
    EntryChecker checker(vmcs, {root, &memory, capabilities});
    if (check_execution_controls(checker) && check_guest_registers(checker)) return "";
    return checker.failure()->id();
}

VmxCapabilities without_ept(uint64_t bits) {
    VmxCapabilities can = kEngineCapabilities;
    can.ept_vpid.raw &= ~bits;
    return can;
}

// Of each feature with a name it is known whether the engine has it, or why not.
TEST(Capabilities, EachFeatureIsAdvertisedOrHasAReason) {
    for (const FeatureName& each : feature_names()) {
        const bool there = (features_of(kEngineCapabilities, each.word) >> each.bit & 1) != 0;
        EXPECT_EQ(each.why == nullptr, there) << describe(each.word) << ", " << each.name;
    }
}

// Bits that must be 1 mean nothing.
TEST(Capabilities, EachFeatureThatIsAdvertisedHasAName) {
    const auto reserved = [](FeatureWord word) -> uint64_t {
        switch (word) {
            case FeatureWord::Pin:
                return x86::kPinDefault1;
            case FeatureWord::Primary:
                return x86::kPrimaryDefault1;
            case FeatureWord::Exit:
                return x86::kExitDefault1;
            case FeatureWord::Entry:
                return x86::kEntryDefault1;
            default:
                return 0;
        }
    };
    for (unsigned i = 0; i < kFeatureWords; ++i) {
        const auto word = static_cast<FeatureWord>(i);
        const uint64_t there = features_of(kEngineCapabilities, word) & ~reserved(word);
        for (unsigned at = 0; at < 64; ++at) {
            EXPECT_TRUE((there >> at & 1) == 0 || find_feature(word, at) != nullptr)
                << describe(word) << ", bit " << at;
        }
    }
}

TEST(Capabilities, EachMissingFieldBelongsToAControlThatIsNotAdvertised) {
    for (const MissingField& missing : kMissingFields) {
        EXPECT_FALSE(vmcs_field_info(missing.field).supported) << x86::name(missing.field);
        if (missing.control == nullptr) continue;
        const auto names = feature_names();
        EXPECT_TRUE(std::any_of(names.begin(), names.end(),
                                [&](const FeatureName& each) {
                                    return std::string_view(each.name) == missing.control &&
                                           each.why != nullptr;
                                }))
            << x86::name(missing.field) << ", " << missing.control;
    }
}

TEST(Capabilities, TrueMsrsExistOnlyWhereBasicSaysSo) {
    VmxCapabilities can = kEngineCapabilities;
    EXPECT_EQ(can.read(Msr::IA32_VMX_TRUE_PROCBASED_CTLS), can.primary.raw);
    EXPECT_EQ(can.read(Msr::IA32_VMX_PROCBASED_CTLS), can.primary.raw | x86::kPrimaryDefault1);
    can.basic.raw &= ~x86::VmxBasic::kTrueControls;
    for (const Msr msr : {Msr::IA32_VMX_TRUE_PINBASED_CTLS, Msr::IA32_VMX_TRUE_PROCBASED_CTLS,
                          Msr::IA32_VMX_TRUE_EXIT_CTLS, Msr::IA32_VMX_TRUE_ENTRY_CTLS})
        EXPECT_EQ(can.read(msr), std::nullopt);
}

TEST(Capabilities, MsrsOfAbsentControlsDoNotExist) {
    VmxCapabilities can = kEngineCapabilities;
    can.secondary = x86::SecondaryCapability::make(0, x86::SecondaryControls::WBINVD_EXITING);
    EXPECT_EQ(can.read(Msr::IA32_VMX_EPT_VPID_CAP), std::nullopt);
    EXPECT_NE(can.read(Msr::IA32_VMX_PROCBASED_CTLS2), std::nullopt);
    can.primary = x86::PrimaryCapability::make(x86::kPrimaryDefault1, x86::kPrimaryDefault1);
    EXPECT_EQ(can.read(Msr::IA32_VMX_PROCBASED_CTLS2), std::nullopt);
}

// SDM Vol. 3C 27.2.1.1: "... must not be set if the processor does not support ..."
TEST(Capabilities, TheEptPointerHasOnlyWhatIsAdvertised) {
    constexpr uint64_t kRoot = 0x10000 | 3 << 3;
    constexpr uint64_t kAccessedDirty = uint64_t{1} << 6;
    EXPECT_EQ(failing(kEngineCapabilities, F::EPT_POINTER, kRoot | 6 | kAccessedDirty), "");
    EXPECT_EQ(failing(without_ept(E::kAccessedDirty), F::EPT_POINTER, kRoot | 6), "");
    EXPECT_EQ(failing(without_ept(E::kAccessedDirty), F::EPT_POINTER, kRoot | 6 | kAccessedDirty),
              "controls.eptp.accessed_dirty");
    EXPECT_EQ(failing(kEngineCapabilities, F::EPT_POINTER, kRoot), "");
    EXPECT_EQ(failing(without_ept(E::kUncacheable), F::EPT_POINTER, kRoot), "controls.eptp.memory_type");
    EXPECT_EQ(failing(without_ept(E::kWriteBack), F::EPT_POINTER, kRoot | 6), "controls.eptp.memory_type");
}

TEST(Capabilities, AddressesAreAsWideAsTheProcessorSays) {
    VmxCapabilities narrow = kEngineCapabilities;
    narrow.physical_bits = 36;
    EXPECT_EQ(failing(kEngineCapabilities, F::GUEST_CR3, uint64_t{1} << 36), "");
    EXPECT_EQ(failing(narrow, F::GUEST_CR3, uint64_t{1} << 36), "guest.cr3.width");
    EXPECT_EQ(failing(narrow, F::GUEST_CR3, uint64_t{1} << 35), "");
}

TEST(Capabilities, ControlAndFixedBitsAreTheProcessors) {
    VmxCapabilities can = kEngineCapabilities;
    can.secondary.raw &= ~(uint64_t{x86::SecondaryControls::UNRESTRICTED_GUEST} << 32);
    EXPECT_EQ(failing(can, F::VPID, 1), "controls.secondary.reserved");
    can = kEngineCapabilities;
    can.cr4_fixed1 &= ~x86::cr4::SMEP;
    const uint64_t cr4 = x86::cr4::PAE | x86::cr4::VMXE;
    EXPECT_EQ(failing(can, F::GUEST_CR4, cr4 | x86::cr4::SMEP), "guest.cr4.fixed");
    EXPECT_EQ(failing(kEngineCapabilities, F::GUEST_CR4, cr4 | x86::cr4::SMEP), "");
}

TEST(Capabilities, TheProcessorsEptHasThePageSizesAndAccessesThatItAdvertises) {
    HostMemory memory = HostMemory::create(1 << 20).value();
    VmxProcessorConfig config;
    config.capabilities = without_ept(E::kPage1G);
    const auto hw = VmxProcessor::create(memory, config);
    ASSERT_TRUE(hw.has_value()) << hw.error();
    EXPECT_FALSE((*hw)->mmu().ept_features().page_1g);
    EXPECT_TRUE((*hw)->mmu().ept_features().page_2m);
    EXPECT_TRUE((*hw)->mmu().ept_features().execute_only);
    uint64_t value = 0;
    EXPECT_TRUE((*hw)->rdmsr(Msr::IA32_VMX_EPT_VPID_CAP, value).ok());
    EXPECT_EQ(value, config.capabilities.ept_vpid.raw);
}

}  // namespace
}  // namespace vtless::sim
