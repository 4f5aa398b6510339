// SPDX-License-Identifier: MIT
// CPUID: the processor's answer, without what the guest cannot use, and with our own hypervisor leaves.
#pragma once

#include "isa/x86/cpuid.h"
#include "vcpu/vmx/xstate.h"

namespace vtless::vmx {

// Four characters as CPUID returns them.
constexpr uint32_t signature_word(const char* text) {
    uint32_t word = 0;
    for (unsigned i = 0; i < 4; ++i) word |= uint32_t{static_cast<uint8_t>(text[i])} << (8 * i);
    return word;
}
// EBX, ECX and EDX of leaf 40000000.
inline constexpr char kHypervisorSignature[] = "VTLESSVTLESS";
inline constexpr uint32_t kLastHypervisorLeaf = 0x40000001;

namespace cpuid_detail {

using x86::CpuidResult;

template <class Hw>
void features(Core<Hw>& core, CpuidResult& result) {
    using namespace x86::cpuid;
    const bool apic = core.config.local_apic != nullptr;
    result.ebx = (result.ebx & 0x00ffffff) | static_cast<uint32_t>(core.vcpu_id) << 24;
    result.ecx &= ~(leaf1_ecx::VMX | leaf1_ecx::SMX | leaf1_ecx::MONITOR | leaf1_ecx::PDCM |
                    leaf1_ecx::TSC_DEADLINE | leaf1_ecx::OSXSAVE);
    result.ecx |= leaf1_ecx::HYPERVISOR;
    if (core.features.xcr0_supported == 0) result.ecx &= ~(leaf1_ecx::XSAVE | leaf1_ecx::AVX);
    if ((core.vmcs.read(x86::VmcsField::GUEST_CR4) & x86::cr4::OSXSAVE) != 0)
        result.ecx |= leaf1_ecx::OSXSAVE;
    result.edx &= ~(leaf1_edx::MCE | leaf1_edx::MCA);
    if (!apic) {
        result.ecx &= ~leaf1_ecx::X2APIC;
        result.edx &= ~leaf1_edx::APIC;
    }
}

template <class Hw>
void structured_features(Core<Hw>& core, CpuidResult& result) {
    using namespace x86::cpuid;
    result.ebx &= ~(leaf7_ebx::SGX | leaf7_ebx::MPX | leaf7_ebx::PT);
    if (!core.has(x86::SecondaryControls::ENABLE_INVPCID)) result.ebx &= ~leaf7_ebx::INVPCID;
    result.ecx &= ~(leaf7_ecx::WAITPKG | leaf7_ecx::LA57 | leaf7_ecx::PKU | leaf7_ecx::OSPKE |
                    leaf7_ecx::CET_SS | leaf7_ecx::KL | leaf7_ecx::ENQCMD | leaf7_ecx::PKS);
    if (!core.has(x86::SecondaryControls::ENABLE_RDTSCP)) result.ecx &= ~leaf7_ecx::RDPID;
    result.edx &= ~(leaf7_edx::UINTR | leaf7_edx::PCONFIG | leaf7_edx::CET_IBT);
}

// EBX of leaf 0xD is a function of XCR0 (and XSS): the guest's must be loaded.
template <class Hw>
CpuidResult xsave(Core<Hw>& core, uint32_t subleaf) {
    if (core.features.xcr0_supported == 0) return {};
    const bool loaded = !shares_xstate(core) && load_guest_xstate(core).has_value();
    CpuidResult result = core.hw->cpuid(x86::cpuid::kXsave, subleaf);
    if (loaded) (void)load_host_xstate(core).has_value();  // a refusal would have been one on the way in
    if (subleaf == 1 && !core.has(x86::SecondaryControls::ENABLE_XSAVES_XRSTORS)) {
        result.eax &= ~x86::cpuid::leaf_d1_eax::XSAVES;
        result.ecx = result.edx = 0;
    }
    return result;
}

inline CpuidResult hypervisor(uint32_t leaf) {
    if (leaf != x86::cpuid::kHypervisorVendor) return {};
    return {kLastHypervisorLeaf, signature_word(kHypervisorSignature),
            signature_word(kHypervisorSignature + 4), signature_word(kHypervisorSignature + 8)};
}

template <class Hw>
CpuidResult emulate(Core<Hw>& core, uint32_t leaf, uint32_t subleaf) {
    using namespace x86::cpuid;
    constexpr uint32_t kSgx = 0x12, kProcessorTrace = 0x14, kTopologyV2 = 0x1f, kAssumedMegahertz = 3000;
    if (leaf >> 8 == kHypervisorVendor >> 8) return hypervisor(leaf);
    if (leaf == kXsave) return xsave(core, subleaf);
    CpuidResult result = core.hw->cpuid(leaf, subleaf);
    switch (leaf) {
        case kFeatures:
            features(core, result);
            break;
        case kStructuredFeatures:
            if (subleaf == 0) structured_features(core, result);
            break;
        case kMonitor:
        case kPerformanceMonitoring:
        case kSgx:
        case kProcessorTrace:
            result = {};
            break;
        case kTopology:
        case kTopologyV2:
            result.edx = static_cast<uint32_t>(core.vcpu_id);
            break;
        case kProcessorFrequency:
            if (result.eax == 0) result.eax = kAssumedMegahertz;
            break;
        case kExtendedFeatures:
            result.ecx &= ~feature_bit(2);  // SVM
            if (!core.has(x86::SecondaryControls::ENABLE_RDTSCP)) result.edx &= ~extended_edx::RDTSCP;
            break;
        default:
            break;
    }
    return result;
}

}  // namespace cpuid_detail

template <class Hw>
Result<VmExit> handle_cpuid(Core<Hw>& core) {
    using x86::Gpr;
    const auto leaf = static_cast<uint32_t>(core.gprs.get(Gpr::RAX));
    const auto subleaf = static_cast<uint32_t>(core.gprs.get(Gpr::RCX));
    x86::CpuidResult result = cpuid_detail::emulate(core, leaf, subleaf);
    const CpuidHook& hook = core.config.cpuid_hook;
    if (hook.function != nullptr) hook.function(hook.context, leaf, subleaf, result);
    core.gprs.set(Gpr::RAX, result.eax);
    core.gprs.set(Gpr::RBX, result.ebx);
    core.gprs.set(Gpr::RCX, result.ecx);
    core.gprs.set(Gpr::RDX, result.edx);
    core.advance_rip();
    return VmExit::Nothing{};
}

}  // namespace vtless::vmx
