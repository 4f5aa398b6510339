// SPDX-License-Identifier: MIT
// LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT and STR. SDM Vol. 2A, 2B.
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// One of those instructions; instruction.id says which. Moves RIP past it.
CpuResult access_descriptor_table(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
