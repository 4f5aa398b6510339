// SPDX-License-Identifier: MIT
// Task switches, which in VMX non-root operation are only checked: they exit.
// SDM Vol. 3A "Task Switching" (8.3), table 8-1, Vol. 3C "Treatment of Task Switches" (26.4.2).
#pragma once

#include <cstdint>
#include <optional>

#include "isa/x86/exit_qualification.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

// Whether the task of this TSS can be switched to: a JMP, CALL or interrupt wants it available, IRET busy.
// #GP, #NP or #TS with the selector otherwise. Privileges and gates are the caller's to check.
bool check_task(Operation& operation, uint16_t tss, bool returning);
// The same for a descriptor that has been read.
bool check_task(Operation& operation, const Descriptor& tss, bool returning);

struct TaskSwitch {
    uint16_t tss = 0;  // selector of one that check_task accepts
    x86::TaskSwitchSource source = x86::TaskSwitchSource::JMP;
    uint64_t return_rip = 0;               // where the old task goes on
    bool resume_flag = false;              // RF of the RFLAGS that it has then
    bool external = false;                 // the event is no software interrupt: EXT in error codes
    std::optional<uint32_t> error_code{};  // of the event: pushed on the new task's stack
};

// A fault before the first step that cannot be taken back is one of the old task, and changes nothing. After
// it, the new task has the fault: what of its state is not loaded yet is unusable. The T flag of the TSS,
// which would be a #DB, and the local breakpoints in DR7, which a switch disables, are the caller's.
CpuResult switch_task(CpuState& cpu, Mmu& mmu, const TaskSwitch& request);
// Whether the T flag of the current task's TSS is set.
CpuResult read_debug_trap(CpuState& cpu, Mmu& mmu, bool& set);

}  // namespace vtless::sim
