// SPDX-License-Identifier: MIT
// CPUID of an Intel processor with everything that the engine's processor model runs: no AVX, XSAVES, PCID
// or INVPCID.
#pragma once

#include "sim/vmx/cpuid.h"

namespace vtless::sim {

namespace engine_cpuid {

namespace leaf = x86::cpuid;

inline constexpr char kBrand[49] = "vtless software VMX processor";
inline constexpr uint32_t kFeaturesEcx = [] {
    using namespace leaf::leaf1_ecx;
    return SSE3 | PCLMULQDQ | MONITOR | VMX | SSSE3 | CMPXCHG16B | SSE4_1 | SSE4_2 | MOVBE | POPCNT | AESNI |
           XSAVE | RDRAND;
}();
inline constexpr uint32_t kFeaturesEdx = [] {
    using namespace leaf::leaf1_edx;
    return FPU | DE | PSE | TSC | MSR | PAE | MCE | CX8 | SEP | MTRR | PGE | MCA | CMOV | PAT | PSE36 |
           CLFSH | MMX | FXSR | SSE | SSE2;
}();
inline constexpr uint32_t kStructuredEbx = [] {
    using namespace leaf::leaf7_ebx;
    return FSGSBASE | TSC_ADJUST | BMI1 | SMEP | BMI2 | ERMS | RDSEED | ADX | SMAP | CLFLUSHOPT | CLWB;
}();
inline constexpr uint32_t kExtendedEcx =
    leaf::extended_ecx::LAHF64 | leaf::extended_ecx::LZCNT | leaf::extended_ecx::PREFETCHW;
inline constexpr uint32_t kExtendedEdx = [] {
    using namespace leaf::extended_edx;
    return SYSCALL | NX | PAGE1GB | RDTSCP | LM;
}();

inline constexpr uint32_t kData = 1, kInstruction = 2, kUnified = 3;
// Deterministic cache parameters: line size 64, `ways` ways.
constexpr x86::CpuidResult cache(uint32_t type, uint32_t level, uint32_t ways, uint32_t sets) {
    return {type | level << 5 | 1u << 8, (ways - 1) << 22 | (64 - 1), sets - 1, 0};
}

}  // namespace engine_cpuid

inline constexpr CpuidFeatures kEngineCpuid = [] {
    using namespace engine_cpuid;
    CpuidFeatures all;
    all.max_basic_leaf = 0xd;
    all.signature = 0x000206c2;  // family 6, model 44: unrestricted guest, no AVX
    all.leaf1_ecx = kFeaturesEcx;
    all.leaf1_edx = kFeaturesEdx;
    all.leaf7_ebx = kStructuredEbx;
    all.extended_ecx = kExtendedEcx;
    all.extended_edx = kExtendedEdx;
    for (size_t i = 0; i < all.brand.size(); ++i) all.brand[i] = kBrand[i];
    all.caches = {cache(kData, 1, 8, 64), cache(kInstruction, 1, 8, 64), cache(kUnified, 2, 8, 512),
                  cache(kUnified, 3, 16, 8192)};
    return all;
}();

}  // namespace vtless::sim
