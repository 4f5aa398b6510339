// SPDX-License-Identifier: MIT
// Instructions that read, modify and write a memory operand, where Unicorn gets flags or address wrong.
// SDM Vol. 2 "NEG", "SHLD", "SHRD".
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

CpuResult negate_memory(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);
// gpr2 is what is shifted in, by `number` bits.
CpuResult shift_memory_double(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
