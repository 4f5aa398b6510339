// SPDX-License-Identifier: MIT
#include "sim/vmx/cpuid.h"

#include <cstring>

namespace vtless::sim {
namespace {

using x86::CpuidResult;
namespace leaf = x86::cpuid;

constexpr uint32_t kMaxBasicLeaf = 0xd;
constexpr uint32_t kMaxExtendedLeaf = 0x80000008;
constexpr uint32_t kSignature = 0x000206c2;  // family 6, model 44: unrestricted guest, no AVX
constexpr char kBrand[49] = "vtless software VMX processor";
constexpr uint32_t kXsaveAreaBytes = 576;  // legacy region and header

constexpr uint32_t kFeaturesEcx = [] {
    using namespace leaf::leaf1_ecx;
    return SSE3 | PCLMULQDQ | MONITOR | VMX | SSSE3 | CMPXCHG16B | SSE4_1 | SSE4_2 | MOVBE | POPCNT | AESNI |
           XSAVE;
}();
constexpr uint32_t kFeaturesEdx = [] {
    using namespace leaf::leaf1_edx;
    return FPU | DE | PSE | TSC | MSR | PAE | MCE | CX8 | SEP | MTRR | PGE | MCA | CMOV | PAT | PSE36 |
           CLFSH | MMX | FXSR | SSE | SSE2;
}();
constexpr uint32_t kStructuredEbx = [] {
    using namespace leaf::leaf7_ebx;
    return FSGSBASE | TSC_ADJUST | BMI1 | SMEP | BMI2 | ERMS | ADX | SMAP | CLFLUSHOPT | CLWB;
}();
constexpr uint32_t kExtendedEcx =
    leaf::extended_ecx::LAHF64 | leaf::extended_ecx::LZCNT | leaf::extended_ecx::PREFETCHW;
constexpr uint32_t kExtendedEdx = [] {
    using namespace leaf::extended_edx;
    return SYSCALL | NX | PAGE1GB | RDTSCP | LM;
}();

CpuidResult features(const RootState& root) {
    const bool osxsave = (root.cr4 & x86::cr4::OSXSAVE) != 0;
    // CLFLUSH line of 64 bytes, one logical processor, APIC ID 0.
    return {kSignature, 0x00010800, kFeaturesEcx | (osxsave ? leaf::leaf1_ecx::OSXSAVE : 0), kFeaturesEdx};
}

// Deterministic cache parameters: line size 64, `ways` ways.
constexpr CpuidResult cache(uint32_t type, uint32_t level, uint32_t ways, uint32_t sets) {
    return {type | level << 5 | 1u << 8, (ways - 1) << 22 | (64 - 1), sets - 1, 0};
}

CpuidResult cache_parameters(uint32_t subleaf) {
    constexpr uint32_t kData = 1, kInstruction = 2, kUnified = 3;
    constexpr CpuidResult kCaches[] = {cache(kData, 1, 8, 64), cache(kInstruction, 1, 8, 64),
                                       cache(kUnified, 2, 8, 512), cache(kUnified, 3, 16, 8192)};
    return subleaf < 4 ? kCaches[subleaf] : CpuidResult{};
}

CpuidResult brand(uint32_t part) {
    CpuidResult result;
    std::memcpy(&result, kBrand + size_t{part} * 16, sizeof result);
    return result;
}

CpuidResult xsave(uint32_t subleaf) {
    if (subleaf != 0) return {};
    return {static_cast<uint32_t>(kXcr0Supported), kXsaveAreaBytes, kXsaveAreaBytes, 0};
}

}  // namespace

CpuidResult processor_cpuid(uint32_t number, uint32_t subleaf, const RootState& root,
                            const VmxCapabilities& capabilities) {
    // A leaf above the maximum gives the highest basic leaf's data. SDM Vol. 2A CPUID.
    const bool basic = number <= kMaxBasicLeaf;
    const bool extended = number >= leaf::kExtendedMax && number <= kMaxExtendedLeaf;
    if (!basic && !extended) number = kMaxBasicLeaf;
    switch (number) {
        case leaf::kVendor:
            return {kMaxBasicLeaf, 0x756e6547, 0x6c65746e, 0x49656e69};  // "GenuineIntel"
        case leaf::kFeatures:
            return features(root);
        case leaf::kCacheParameters:
            return cache_parameters(subleaf);
        case leaf::kMonitor:
            return {64, 64, 1, 0};  // no C-states beyond HLT
        case leaf::kStructuredFeatures:
            return subleaf == 0 ? CpuidResult{0, kStructuredEbx, 0, 0} : CpuidResult{};
        case leaf::kXsave:
            return xsave(subleaf);
        case leaf::kExtendedMax:
            return {kMaxExtendedLeaf, 0, 0, 0};
        case leaf::kExtendedFeatures:
            return {0, 0, kExtendedEcx, kExtendedEdx};
        case leaf::kBrand0:
        case leaf::kBrand0 + 1:
        case leaf::kBrand0 + 2:
            return brand(number - leaf::kBrand0);
        case leaf::kAdvancedPower:
            return {0, 0, 0, leaf::advanced_power_edx::INVARIANT_TSC};
        case leaf::kAddressSizes:
            return {capabilities.physical_bits | capabilities.linear_bits << 8, 0, 0, 0};
        default:
            return {};
    }
}

}  // namespace vtless::sim
