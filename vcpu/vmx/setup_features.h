// SPDX-License-Identifier: MIT
// What set-up asks of the processor apart from the controls.
#pragma once

#include "isa/x86/cpuid.h"
#include "vcpu/vmx/setup_controls.h"

namespace vtless::vmx {

namespace setup_detail {

template <class Hw>
Result<void> read_fixed_bits(Core<Hw>& core) {
    using x86::Msr;
    struct {
        Msr msr;
        uint64_t* into;
    } const wanted[] = {{Msr::IA32_VMX_CR0_FIXED0, &core.features.cr0_fixed0},
                        {Msr::IA32_VMX_CR0_FIXED1, &core.features.cr0_fixed1},
                        {Msr::IA32_VMX_CR4_FIXED0, &core.features.cr4_fixed0},
                        {Msr::IA32_VMX_CR4_FIXED1, &core.features.cr4_fixed1},
                        {Msr::IA32_VMX_EPT_VPID_CAP, &core.features.ept_vpid.raw}};
    for (const auto& item : wanted) {
        const auto value = read_msr(*core.hw, item.msr);
        if (!value) return Unexpected(value.error());
        *item.into = *value;
    }
    return {};
}

template <class Hw>
void read_cpuid(Core<Hw>& core) {
    using namespace x86::cpuid;
    Hw& hw = *core.hw;
    Features& features = core.features;
    const auto extended = hw.cpuid(kExtendedFeatures, 0);
    features.nx = (extended.edx & extended_edx::NX) != 0;
    features.page_1g = (extended.edx & extended_edx::PAGE1GB) != 0;
    if (hw.cpuid(kExtendedMax, 0).eax >= kAddressSizes)
        features.physical_bits = physical_address_bits(hw.cpuid(kAddressSizes, 0).eax);
    if ((hw.cpuid(kFeatures, 0).ecx & leaf1_ecx::XSAVE) == 0) return;
    // PKRU's CPUID feature is hidden, and so must be its state.
    const auto components = hw.cpuid(kXsave, 0);
    features.xcr0_supported = (components.eax | uint64_t{components.edx} << 32) & ~x86::xcr0::PKRU;
    if (!core.has(x86::SecondaryControls::ENABLE_XSAVES_XRSTORS)) return;
    const auto supervisor = hw.cpuid(kXsave, 1);
    features.xss_supported = supervisor.ecx | uint64_t{supervisor.edx} << 32;
}

template <class Hw>
Result<void> check_ept(Core<Hw>& core) {
    using C = x86::EptVpidCapability;
    constexpr uint64_t kNeeded = C::kWalkLength4 | C::kWriteBack;
    const uint64_t lacking = kNeeded & ~core.features.ept_vpid.raw;
    if (lacking != 0)
        return fail_with(VCpuErrc::Unsupported, Failure::EptCapability, static_cast<uint32_t>(lacking));
    core.eptp = x86::Eptp::make(core.eptp.root(), 4, core.features.ept_vpid.has(C::kAccessedDirty));
    return {};
}

// A VPID is of no use when what it caches cannot be invalidated.
template <class Hw>
void choose_vpid(Core<Hw>& core) {
    using C = x86::EptVpidCapability;
    using S = x86::SecondaryControls;
    const C capability = core.features.ept_vpid;
    const bool single = capability.has(C::kInvvpid | C::kInvvpidSingleContext);
    const bool all = capability.has(C::kInvvpid | C::kInvvpidAllContext);
    if ((!single && !all) || core.vpid == 0)
        core.controls.secondary = core.controls.secondary.without(S::ENABLE_VPID);
}

}  // namespace setup_detail

// After choose_controls.
template <class Hw>
Result<void> find_features(Core<Hw>& core) {
    const auto fixed = setup_detail::read_fixed_bits(core);
    if (!fixed) return fixed;
    core.features.unrestricted = core.has(x86::SecondaryControls::UNRESTRICTED_GUEST);
    setup_detail::read_cpuid(core);
    setup_detail::choose_vpid(core);
    return setup_detail::check_ept(core);
}

}  // namespace vtless::vmx
