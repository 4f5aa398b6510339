// SPDX-License-Identifier: MIT
// INT n, INT3, INTO and INT1: which event they raise. SDM Vol. 2A "INT n/INTO/INT3/INT1".
#pragma once

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"

namespace vtless::sim {

struct SoftwareInterrupt {
    bool raised = false;  // false: INTO without overflow, a NOP that has moved RIP
    Event event;          // to be delivered, or #GP(0), #UD in its place
};

SoftwareInterrupt software_interrupt(CpuState& cpu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
