// SPDX-License-Identifier: MIT
// SYSCALL, SYSRET, SYSENTER and SYSEXIT, which neither read descriptors nor touch memory. SDM Vol. 2B.
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// length: of the instruction, in bytes. Loads RIP with the target.
CpuResult syscall(CpuState& cpu, unsigned length);
CpuResult sysenter(CpuState& cpu);
// operand_size: 8 with REX.W, else 4.
CpuResult sysret(CpuState& cpu, const Mmu& mmu, unsigned operand_size);
CpuResult sysexit(CpuState& cpu, const Mmu& mmu, unsigned operand_size);

}  // namespace vtless::sim
