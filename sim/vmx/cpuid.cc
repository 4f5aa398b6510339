// SPDX-License-Identifier: MIT
#include "sim/vmx/cpuid.h"

#include <cstring>

#include "sim/vmx/capability.h"
#include "sim/vmx/root_state.h"

namespace vtless::sim {
namespace {

using x86::CpuidResult;
namespace leaf = x86::cpuid;

constexpr uint32_t kMaxExtendedLeaf = 0x80000008;
constexpr uint32_t kXsaveAreaBytes = 576;  // legacy region and header

CpuidResult features(const RootState& root, const CpuidFeatures& cpu) {
    const bool osxsave = (root.cr4 & x86::cr4::OSXSAVE) != 0;
    // CLFLUSH line of 64 bytes, one logical processor, APIC ID 0.
    return {cpu.signature, 0x00010800, cpu.leaf1_ecx | (osxsave ? leaf::leaf1_ecx::OSXSAVE : 0),
            cpu.leaf1_edx};
}

CpuidResult brand(const CpuidFeatures& cpu, uint32_t part) {
    CpuidResult result;
    std::memcpy(&result, cpu.brand.data() + size_t{part} * 16, sizeof result);
    return result;
}

CpuidResult xsave(const CpuidFeatures& cpu, uint32_t subleaf) {
    if (subleaf != 0 || !cpu.xsave()) return {};
    return {static_cast<uint32_t>(kXcr0Supported), kXsaveAreaBytes, kXsaveAreaBytes, 0};
}

}  // namespace

CpuidResult processor_cpuid(uint32_t number, uint32_t subleaf, const RootState& root,
                            const VmxCapabilities& capabilities) {
    const CpuidFeatures& cpu = capabilities.cpuid;
    // A leaf above the maximum gives the highest basic leaf's data. SDM Vol. 2A CPUID.
    const bool basic = number <= cpu.max_basic_leaf;
    const bool extended = number >= leaf::kExtendedMax && number <= kMaxExtendedLeaf;
    if (!basic && !extended) number = cpu.max_basic_leaf;
    switch (number) {
        case leaf::kVendor:
            return {cpu.max_basic_leaf, 0x756e6547, 0x6c65746e, 0x49656e69};  // "GenuineIntel"
        case leaf::kFeatures:
            return features(root, cpu);
        case leaf::kCacheParameters:
            return subleaf < cpu.caches.size() ? cpu.caches[subleaf] : CpuidResult{};
        case leaf::kMonitor:
            return {64, 64, 1, 0};  // no C-states beyond HLT
        case leaf::kStructuredFeatures:
            return subleaf == 0 ? CpuidResult{0, cpu.leaf7_ebx, cpu.leaf7_ecx, cpu.leaf7_edx} : CpuidResult{};
        case leaf::kXsave:
            return xsave(cpu, subleaf);
        case leaf::kExtendedMax:
            return {kMaxExtendedLeaf, 0, 0, 0};
        case leaf::kExtendedFeatures:
            return {0, 0, cpu.extended_ecx, cpu.extended_edx};
        case leaf::kBrand0:
        case leaf::kBrand0 + 1:
        case leaf::kBrand0 + 2:
            return brand(cpu, number - leaf::kBrand0);
        case leaf::kAdvancedPower:
            return {0, 0, 0, leaf::advanced_power_edx::INVARIANT_TSC};
        case leaf::kAddressSizes:
            return {capabilities.physical_bits | capabilities.linear_bits << 8, 0, 0, 0};
        default:
            return {};
    }
}

}  // namespace vtless::sim
