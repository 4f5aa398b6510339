// SPDX-License-Identifier: MIT
// CMPXCHG8B and CMPXCHG16B. SDM Vol. 2A "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes".
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// operand_size is that of each half, 4 or 8 bytes. Memory is written whichever way it ends, so faults are
// those of a write.
CpuResult compare_exchange(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
