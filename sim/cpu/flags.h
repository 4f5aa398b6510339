// SPDX-License-Identifier: MIT
// PUSHF and POPF. SDM Vol. 2B. Without virtual-8086 mode extensions and protected-mode virtual interrupts.
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

struct FlagsInstruction {
    unsigned operand_size = 4;  // bytes: 2, 4 or 8
    unsigned length = 1;
};

CpuResult pushf(CpuState& cpu, Mmu& mmu, FlagsInstruction instruction);
CpuResult popf(CpuState& cpu, Mmu& mmu, FlagsInstruction instruction);
// The flags after a POPF or IRET that loads `value` at this privilege.
uint64_t popped_flags(const CpuState& cpu, uint64_t value, unsigned operand_size);

}  // namespace vtless::sim
