// SPDX-License-Identifier: MIT
// PAUSE, MONITOR and MWAIT. SDM Vol. 3C "Instructions That Cause VM Exits Conditionally" (26.1.3), "Changes
// to Instruction Behavior in VMX Non-Root Operation" (26.3).
#include "sim/cpu/operand.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::PrimaryControls;
using x86::SecondaryControls;
using F = x86::VmcsField;
using Next = NonRoot::Next;

// With PAUSE exiting it has exited already. PAUSE-loop exiting is about CPL 0 only.
Next NonRoot::pause(const StoppedInstruction& instruction) {
    const bool watched = vmcs_->secondary().has(SecondaryControls::PAUSE_LOOP_EXITING);
    if (watched && engine().cpl() == 0 && pauses_for_too_long())
        return exit_for(instruction, ExitReason::PAUSE);
    return nothing(instruction);
}

// Time is counted at the rate of the time-stamp counter, whatever is written to that.
bool NonRoot::pauses_for_too_long() {
    const uint64_t now = engine().cycles();
    const bool first = !pause_loop_.any || now - pause_loop_.last > vmcs_->get32(F::PLE_GAP);
    if (first) pause_loop_.first = now;
    pause_loop_.any = true;
    pause_loop_.last = now;
    return now - pause_loop_.first > vmcs_->get32(F::PLE_WINDOW);
}

// A load of one byte as far as segments and paging are concerned. There are no extensions for ECX to ask for.
Next NonRoot::monitor(const StoppedInstruction& instruction) {
    if (vmcs_->primary().has(PrimaryControls::MONITOR_EXITING))
        return exit_for(instruction, ExitReason::MONITOR);
    if (read_gpr(x86::Gpr::RCX, 4) != 0) return raise_gp();
    StoppedInstruction load = instruction;
    load.has_memory = true;
    load.memory.base = x86::Gpr::RAX;
    std::byte ignored{};
    const CpuResult loaded = read_memory(cpu(), parts_.mmu, load, std::span(&ignored, 1));
    if (loaded.done()) monitor_armed_ = true;
    return finish_moved(instruction, loaded);
}

// Nobody else writes to memory here, so that only events end the wait. It may end for no reason, and does so
// for events that wait themselves: for RFLAGS.IF, for one.
Next NonRoot::mwait(const StoppedInstruction& instruction) {
    if (vmcs_->primary().has(PrimaryControls::MWAIT_EXITING))
        return exit_for(instruction, ExitReason::MWAIT, monitor_armed_ ? 1 : 0);
    if (read_gpr(x86::Gpr::RCX, 4) != 0) return raise_gp();
    complete(instruction);
    if (!monitor_armed_) return Next::Run;
    monitor_armed_ = false;
    const bool waits = state_.pending_debug == 0 && !virtual_interrupt_ &&
                       !parts_.events.interrupt_pending() && !parts_.events.nmi_pending() &&
                       !parts_.events.exit_requested() && !plan_.interrupt_window && !plan_.nmi_window &&
                       !plan_.monitor_trap_flag;
    return waits ? wait_for_event() : Next::Run;
}

}  // namespace vtless::sim
