// SPDX-License-Identifier: MIT
// Events between instructions, in the SDM's order of priority: INIT, monitor trap flag, pending debug
// exceptions, preemption timer, NMI window, NMI, interrupt window or virtual interrupt, external interrupt.
// SDM Vol. 3C "Special Features of VM Entry" (27.7), "Other Causes of VM Exits" (26.2).
#include "isa/x86/rflags.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::ActivityState;
using x86::EventInfo;
using x86::EventType;
using x86::ExitReason;
using x86::PinControls;
using x86::PrimaryControls;
using x86::Vector;
using F = x86::VmcsField;
using Next = NonRoot::Next;

// Event injection is delivery without the exception bitmap, CR2 or DR6. SDM Vol. 3C 27.6.
Next NonRoot::inject() {
    const EventInfo info{vmcs_->get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)};
    if (!info.valid()) [[likely]]
        return Next::Run;
    if (info.type() == EventType::OTHER) {  // a pending MTF VM exit, whatever the control says. 27.6.2
        monitor_trap_ = true;
        return Next::Run;
    }
    Event event{info.vector(), info.type(), info.has_error_code(), 0, 0};
    if (info.has_error_code()) event.error_code = vmcs_->get32(F::VM_ENTRY_EXCEPTION_ERROR_CODE);
    if (info.is_software())
        event.instruction_length = static_cast<uint8_t>(vmcs_->get(F::VM_ENTRY_INSTRUCTION_LENGTH));
    const bool keeps_debug = info.type() == EventType::EXTERNAL_INTERRUPT || info.type() == EventType::NMI;
    if (!keeps_debug) state_.pending_debug = 0;
    return deliver(event);
}

bool NonRoot::events_possible() const {
    return plan_.interrupt_window || plan_.nmi_window || state_.activity != ActivityState::ACTIVE ||
           state_.pending_debug != 0 || (monitor_trap_ | virtual_interrupt_ | tpr_below_threshold_) ||
           next_deadline() != HostEvents::kNever || parts_.events.interrupt_pending() ||
           parts_.events.signals_pending() || parts_.events.exit_requested();
}

Next NonRoot::take_events() {
    const uint64_t now = parts_.msrs.tsc();
    parts_.events.advance_to(now);
    if (parts_.events.exit_requested()) return on_requested();
    if (tpr_below_threshold_ && !shut_down()) return exit_with(ExitReason::TPR_BELOW_THRESHOLD);
    if (parts_.events.start_signals_pending() && take_start_signals() == Next::Exit) return Next::Exit;
    if (shut_down()) return take_events_of_shutdown(now);
    if (monitor_trap_) return exit_with(ExitReason::MONITOR_TRAP_FLAG);
    if (state_.pending_debug != 0 && take_pending_debug() == Next::Exit) return Next::Exit;
    if (monitor_trap_) return Next::Run;  // after the handler was entered, before lower events
    if (now >= state_.preemption_deadline) return exit_with(ExitReason::PREEMPTION_TIMER);
    if (vmcs_->primary().has(PrimaryControls::NMI_WINDOW_EXITING) && !parts_.guest.nmi_blocked() &&
        engine().shadow() != Shadow::MovSs) {
        return exit_with(ExitReason::NMI_WINDOW);
    }
    if (parts_.events.nmi_pending() && take_nmi() == Next::Exit) return Next::Exit;
    if (monitor_trap_) return Next::Run;
    if (vmcs_->primary().has(PrimaryControls::INTERRUPT_WINDOW_EXITING) &&
        (engine().rflags() & x86::rflags::IF) != 0 && engine().shadow() == Shadow::None) {
        return exit_with(ExitReason::INTERRUPT_WINDOW);
    }
    if (virtual_interrupt_ && take_virtual_interrupt() == Next::Exit) return Next::Exit;
    if (monitor_trap_) return Next::Run;
    return parts_.events.interrupt_pending() ? take_interrupt() : Next::Run;
}

// Held off by a MOV SS shadow; else a trap before the next instruction.
Next NonRoot::take_pending_debug() {
    if (engine().shadow() == Shadow::MovSs) return Next::Run;
    constexpr uint64_t kDr6Bits = x86::pending_debug::B0 | x86::pending_debug::B1 | x86::pending_debug::B2 |
                                  x86::pending_debug::B3 | x86::pending_debug::BS;
    constexpr uint64_t kRaises = x86::pending_debug::BS | x86::pending_debug::ENABLED_BREAKPOINT;
    const uint64_t pending = state_.pending_debug;
    state_.pending_debug = 0;
    if ((pending & kRaises) == 0) return Next::Run;
    return raise(Event::exception(Vector::DB), pending & kDr6Bits);
}

Next NonRoot::take_nmi() {
    if (vmcs_->pin().has(PinControls::NMI_EXITING)) {
        parts_.events.take_nmi();
        exit_.interruption = EventInfo::nmi();
        return exit_with(ExitReason::EXCEPTION_OR_NMI);
    }
    if (parts_.guest.nmi_blocked() || engine().shadow() == Shadow::MovSs) return Next::Run;
    parts_.events.take_nmi();
    return deliver(Event::nmi());
}

// External-interrupt exiting ignores RFLAGS.IF. SDM Vol. 3C 26.2.
Next NonRoot::take_interrupt() {
    if (vmcs_->pin().has(PinControls::EXTERNAL_INTERRUPT_EXITING)) {
        if (vmcs_->pin().has(PinControls::PROCESS_POSTED_INTERRUPTS)) [[unlikely]]
            return take_interrupts_and_notifications();
        if (vmcs_->exit_controls().has(x86::ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT))
            exit_.interruption = EventInfo::external_interrupt(*parts_.events.acknowledge());
        return exit_with(ExitReason::EXTERNAL_INTERRUPT);
    }
    if ((engine().rflags() & x86::rflags::IF) == 0 || engine().shadow() != Shadow::None) return Next::Run;
    return deliver(Event::external_interrupt(*parts_.events.acknowledge()));
}

// Another thread's request arrives as an interrupt of its own vector would, so that a hypervisor sees what
// it knows; a guest that takes interrupts itself, or that blocks them, is left by an INIT signal.
Next NonRoot::on_requested() {
    parts_.events.take_exit_request();
    if (!vmcs_->pin().has(PinControls::EXTERNAL_INTERRUPT_EXITING) || shut_down())
        return exit_with(ExitReason::INIT_SIGNAL);
    if (vmcs_->exit_controls().has(x86::ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT))
        exit_.interruption = EventInfo::external_interrupt(HostEvents::kRequestVector);
    return exit_with(ExitReason::EXTERNAL_INTERRUPT);
}

}  // namespace vtless::sim
