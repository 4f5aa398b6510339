// SPDX-License-Identifier: MIT
// The processor's own CPUID, as a hypervisor in root operation sees it.
#pragma once

#include <cstdint>

#include "isa/x86/cpuid.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/root_state.h"

namespace vtless::sim {

// A plain Intel profile cut to what the engine's processor model runs: no AVX, XSAVES, PCID, INVPCID, RDRAND
// or RDSEED. OSXSAVE and the size of the XSAVE area follow CR4 and XCR0 of `root`.
x86::CpuidResult processor_cpuid(uint32_t leaf, uint32_t subleaf, const RootState& root,
                                 const VmxCapabilities& capabilities);

// Bits of XCR0 that XSETBV may set.
inline constexpr uint64_t kXcr0Supported = x86::xcr0::X87 | x86::xcr0::SSE;
constexpr bool is_valid_xcr0(uint64_t value) {
    return (value & ~kXcr0Supported) == 0 && (value & x86::xcr0::X87) != 0;
}

}  // namespace vtless::sim
