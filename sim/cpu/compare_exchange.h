// SPDX-License-Identifier: MIT
// CMPXCHG8B and CMPXCHG16B, and CMPXCHG of 32-bit registers in 64-bit mode. SDM Vol. 2A "CMPXCHG",
// "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes".
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// operand_size is that of each half, 4 or 8 bytes. Memory is written whichever way it ends, so faults are
// those of a write.
CpuResult compare_exchange(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);

// gpr is the destination, gpr2 the source. A destination that does not match is left alone, upper half
// included.
CpuResult compare_exchange_registers(CpuState& cpu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
