// SPDX-License-Identifier: MIT
// What of the processor's profile decides which register bits can be set.
#pragma once

#include <cstdint>

#include "isa/x86/control_regs.h"

namespace vtless::sim {

struct CpuFeatures {
    uint64_t cr4 = x86::cr4::TSD | x86::cr4::DE | x86::cr4::PSE | x86::cr4::PAE | x86::cr4::MCE |
                   x86::cr4::PGE | x86::cr4::PCE | x86::cr4::OSFXSR | x86::cr4::OSXMMEXCPT |
                   x86::cr4::FSGSBASE | x86::cr4::OSXSAVE | x86::cr4::SMEP | x86::cr4::SMAP;
    uint64_t efer = x86::efer::SCE | x86::efer::LME | x86::efer::LMA | x86::efer::NXE;
    uint64_t xcr0 = x86::xcr0::X87 | x86::xcr0::SSE;
};

}  // namespace vtless::sim
