// SPDX-License-Identifier: MIT
// IRET, IRETD and IRETQ. SDM Vol. 2A "IRET/IRETD/IRETQ—Interrupt Return".
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// operand_size in bytes: 2, 4 or 8. With RFLAGS.NT in protected mode the result is TaskSwitch to the task
// that the current TSS links to. Unblocking NMIs is the caller's.
CpuResult iret(CpuState& cpu, Mmu& mmu, unsigned operand_size);

}  // namespace vtless::sim
