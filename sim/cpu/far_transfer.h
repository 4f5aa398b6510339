// SPDX-License-Identifier: MIT
// Far JMP and CALL. SDM Vol. 2A "CALL", "JMP", Vol. 3A "Privilege Level Checking When Transferring Program
// Control Between Code Segments" (5.8).
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

enum class FarTransfer : bool { Jmp, Call };

// To a code segment or through a call gate. A TSS or a task gate, once its own checks have passed, gives
// TaskSwitch with the selector of the TSS; then nothing has changed.
CpuResult far_transfer(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, FarTransfer kind);

}  // namespace vtless::sim
