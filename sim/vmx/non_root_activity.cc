// SPDX-License-Identifier: MIT
// INIT signals and start-up IPIs, and what an inactive processor waits for.
// SDM Vol. 3C "Activity State" (27.7.2), "Other Causes of VM Exits" (26.2).
#include <optional>

#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::ActivityState;
using x86::ExitReason;
using x86::PrimaryControls;
using Next = NonRoot::Next;

// Wait-for-SIPI blocks INIT signals; every other state loses SIPIs.
Next NonRoot::take_start_signals() {
    HostEvents& events = parts_.events;
    const bool waits = state_.activity == ActivityState::WAIT_FOR_SIPI;
    if (const std::optional<uint8_t> sipi = events.take_sipi(); sipi && waits)
        return exit_with(ExitReason::STARTUP_IPI, *sipi);
    return !waits && events.take_init() ? exit_with(ExitReason::INIT_SIGNAL) : Next::Run;
}

// Shutdown blocks external interrupts, and so does not see interrupt windows; wait-for-SIPI blocks NMIs and
// the preemption timer as well (26.5.1). Debug exceptions that were pending are gone (27.7.3).
Next NonRoot::take_events_of_shutdown(uint64_t now) {
    state_.pending_debug = 0;
    if (state_.activity == ActivityState::WAIT_FOR_SIPI) return Next::Run;
    if (now >= state_.preemption_deadline) return exit_with(ExitReason::PREEMPTION_TIMER);
    if (vmcs_->primary().has(PrimaryControls::NMI_WINDOW_EXITING) && !parts_.guest.nmi_blocked())
        return exit_with(ExitReason::NMI_WINDOW);
    if (parts_.events.nmi_pending() && take_nmi() == Next::Exit) return Next::Exit;
    return tpr_below_threshold_ && !shut_down() ? exit_with(ExitReason::TPR_BELOW_THRESHOLD) : Next::Run;
}

uint64_t NonRoot::next_wakeup() const {
    switch (state_.activity) {
        case ActivityState::SHUTDOWN:
            return state_.preemption_deadline;
        case ActivityState::WAIT_FOR_SIPI:
            return HostEvents::kNever;
        default:
            return next_deadline();
    }
}

// Time passes until something can wake the guest. When nothing ever will, the platform resets the processor:
// an exit as of an INIT signal, in each state and whatever the controls say (D25).
Next NonRoot::wait_for_event() {
    const uint64_t next = next_wakeup();
    if (next == HostEvents::kNever) {
        parts_.events.set_stalled(true);
        return exit_with(ExitReason::INIT_SIGNAL);
    }
    const uint64_t now = parts_.msrs.tsc();
    if (next > now) engine().wait(next - now);
    return Next::Run;
}

}  // namespace vtless::sim
