// SPDX-License-Identifier: MIT
// The processor's own CPUID, as a hypervisor in root operation sees it.
#pragma once

#include <array>
#include <cstdint>

#include "isa/x86/control_regs.h"
#include "isa/x86/cpuid.h"

namespace vtless::sim {

struct RootState;
struct VmxCapabilities;

// What of CPUID differs between processors. The rest is the same for all: one logical processor, no C-states,
// an invariant TSC, and the XSAVE area that the engine has.
struct CpuidFeatures {
    uint32_t max_basic_leaf = 0;
    uint32_t signature = 0;  // leaf 1 EAX: family, model, stepping
    uint32_t leaf1_ecx = 0;  // without OSXSAVE, which follows CR4
    uint32_t leaf1_edx = 0;
    uint32_t leaf7_ebx = 0;  // subleaf 0
    uint32_t leaf7_ecx = 0;
    uint32_t leaf7_edx = 0;
    uint32_t leaf_d1_eax = 0;
    uint32_t extended_ecx = 0;  // leaf 0x80000001
    uint32_t extended_edx = 0;
    std::array<char, 48> brand{};
    std::array<x86::CpuidResult, 4> caches{};  // leaf 4

    constexpr bool xsave() const { return (leaf1_ecx & x86::cpuid::leaf1_ecx::XSAVE) != 0; }
    friend constexpr bool operator==(const CpuidFeatures&, const CpuidFeatures&) = default;
};

// OSXSAVE follows CR4 of `root`.
x86::CpuidResult processor_cpuid(uint32_t leaf, uint32_t subleaf, const RootState& root,
                                 const VmxCapabilities& capabilities);

// Bits of XCR0 that XSETBV may set.
inline constexpr uint64_t kXcr0Supported = x86::xcr0::X87 | x86::xcr0::SSE;
constexpr bool is_valid_xcr0(uint64_t value) {
    return (value & ~kXcr0Supported) == 0 && (value & x86::xcr0::X87) != 0;
}

}  // namespace vtless::sim
