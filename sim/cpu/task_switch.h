// SPDX-License-Identifier: MIT
// The checks that come before a task switch, which in VMX non-root operation is never done.
// SDM Vol. 3C "Treatment of Task Switches" (26.4.2), Vol. 3A "Task Switching" (8.3), table 8-1.
#pragma once

#include <cstdint>

#include "sim/cpu/operation.h"

namespace vtless::sim {

// Whether the task of this TSS can be switched to: a JMP, CALL or interrupt wants it available, IRET busy.
// #GP, #NP or #TS with the selector otherwise. Privileges and gates are the caller's to check.
bool check_task(Operation& operation, uint16_t tss, bool returning);
// The same for a descriptor that has been read.
bool check_task(Operation& operation, const Descriptor& tss, bool returning);

}  // namespace vtless::sim
