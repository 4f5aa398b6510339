// SPDX-License-Identifier: MIT
// Exceptions: which exit, and how the others reach the guest's handler.
// SDM Vol. 3C "Exceptions" in "Other Causes of VM Exits" (26.2), 28.2.2 to 28.2.4.
#include "isa/x86/exit_qualification.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::EventType;
using x86::ExitReason;
using x86::Vector;
using F = x86::VmcsField;
using Next = NonRoot::Next;

namespace {

bool is_exception(const Event& event) {
    return event.type == EventType::HARDWARE_EXCEPTION || event.type == EventType::SOFTWARE_EXCEPTION ||
           event.type == EventType::PRIVILEGED_SOFTWARE_EXCEPTION;
}

bool is(const Event& event, Vector vector) {
    return is_exception(event) && event.vector == static_cast<uint8_t>(vector);
}

}  // namespace

Next NonRoot::on_exception(const Stop& stop) {
    // The engine has no breakpoints: its #DB is the guest's single step, a trap.
    if (stop.vector == static_cast<uint8_t>(Vector::DB)) {
        state_.pending_debug |= x86::pending_debug::BS;
        note_iteration();
        return Next::Run;
    }
    Event event = Event::exception(static_cast<Vector>(stop.vector));
    event.has_error_code = stop.has_error_code;
    event.error_code = stop.error_code;
    return raise(event);
}

Next NonRoot::on_page_fault(const Stop& stop) {
    return raise(Event::exception(Vector::PF, stop.fault.error_code), stop.fault.gva.value());
}

bool NonRoot::intercepts(const Event& event) const {
    if (!is_exception(event) || event.vector >= 32) return false;
    const bool wanted = (vmcs_->get32(F::EXCEPTION_BITMAP) >> event.vector & 1) != 0;
    if (!is(event, Vector::PF)) return wanted;
    const bool match = (event.error_code & vmcs_->get32(F::PAGE_FAULT_ERROR_CODE_MASK)) ==
                       vmcs_->get32(F::PAGE_FAULT_ERROR_CODE_MATCH);
    return match == wanted;
}

// payload: for #PF the linear address, for #DB what DR6 shall say; both reach a register only if the
// exception is delivered.
Next NonRoot::raise(const Event& event, uint64_t payload) {
    if (intercepts(event)) return exit_for_exception(event, payload);
    apply_payload(event, payload);
    return deliver(event);
}

void NonRoot::apply_payload(const Event& event, uint64_t payload) {
    if (is(event, Vector::PF)) engine().edit_state().set_cr2(payload);
    if (!is(event, Vector::DB) || event.type == EventType::PRIVILEGED_SOFTWARE_EXCEPTION) return;
    RootState& root = parts_.root;
    root.dr6 = (root.dr6 & ~(x86::dr6::B0 | x86::dr6::B1 | x86::dr6::B2 | x86::dr6::B3)) | payload;
    root.dr7 &= ~x86::dr7::GD;
    root.debugctl &= ~x86::debugctl::LBR;
}

Next NonRoot::exit_for_exception(const Event& event, uint64_t payload) {
    exit_.interruption = x86::EventInfo::make(event.type, event.vector, event.has_error_code);
    if (iret_unblocked_nmi_ && !delivering_ && !is(event, Vector::DF))
        exit_.interruption.raw |= x86::EventInfo::kNmiUnblocking;
    exit_.interruption_error_code = event.error_code;
    save_resume_flag_of(event);
    if (exit_.interruption.is_software()) exit_.instruction_length = event.instruction_length;
    const bool qualified = is(event, Vector::PF) || is(event, Vector::DB);
    return exit_with(ExitReason::EXCEPTION_OR_NMI, qualified ? payload : 0);
}

// As in the image that delivery saves.
void NonRoot::save_resume_flag_of(const Event& event) {
    if (saves_resume_flag(event)) exit_.resume_flag = ResumeFlag::Set;
}

Next NonRoot::deliver(Event event) {
    if (event.type == EventType::NMI) parts_.guest.set_nmi_blocked(true);
    // Whatever comes of it, also a VM exit: SDM Vol. 3C "Architectural State Before a VM Exit" (28.1).
    state_.activity = x86::ActivityState::ACTIVE;
    if (engine().shadow() != Shadow::None) engine().set_shadow(Shadow::None);
    event.resume_flag = event.resume_flag || parts_.guest.resume_flag();
    for (;;) {
        delivering_ = event;
        const DeliveryResult result = deliver_event(engine().edit_state(), parts_.mmu, event);
        switch (result.kind) {
            case DeliveryResult::Kind::Delivered:
                delivering_.reset();
                parts_.guest.set_resume_flag(false);
                monitor_trap_ = plan_.monitor_trap_flag;
                engine().add_cycles(engine().transition_costs().event_delivery);
                return Next::Run;
            case DeliveryResult::Kind::MmuExit:
                return exit_for_mmu(result.mmu);
            case DeliveryResult::Kind::TaskGate:
                save_resume_flag_of(event);
                return exit_with(
                    ExitReason::TASK_SWITCH,
                    x86::TaskSwitchQualification{result.task, x86::TaskSwitchSource::IDT_TASK_GATE}.encode());
            case DeliveryResult::Kind::Fault:
                if (on_nested_fault(event, result) == Next::Exit) return Next::Exit;
                break;
        }
    }
}

// The second exception exits by its own bit first; only then do the two combine. SDM Vol. 3C 28.2.4.
Next NonRoot::on_nested_fault(Event& event, const DeliveryResult& result) {
    if (intercepts(result.nested)) return exit_for_exception(result.nested, result.cr2);
    const Combination combination = combine(event, result.nested);
    if (combination.triple_fault) {
        delivering_.reset();
        return exit_with(ExitReason::TRIPLE_FAULT);
    }
    apply_payload(result.nested, result.cr2);
    if (is(combination.event, Vector::DF) && intercepts(combination.event)) {
        delivering_.reset();  // a double fault that exits directly is not an exit during delivery
        return exit_for_exception(combination.event, 0);
    }
    event = combination.event;
    return Next::Run;
}

Next NonRoot::exit_for_mmu(const MmuFault& fault) {
    if (vmcs_->secondary().has(x86::SecondaryControls::EPT_VIOLATION_VE) && !delivering_ &&
        saves_as_virtualization_exception(fault))
        return raise(Vector::VE);
    if (delivering_) {
        save_resume_flag_of(*delivering_);
    } else {
        exit_.resume_flag = ResumeFlag::Set;
    }
    if (fault.kind == MmuFault::Kind::ApicAccess)
        return exit_with(ExitReason::APIC_ACCESS, apic_access_qualification(fault));
    if (fault.kind == MmuFault::Kind::PageModificationLogFull)
        return exit_with(ExitReason::PML_FULL, violation_qualification(fault));
    exit_.guest_physical = fault.gpa.value();
    if (fault.kind == MmuFault::Kind::EptMisconfiguration) return exit_with(ExitReason::EPT_MISCONFIGURATION);
    if ((fault.qualification & x86::EptViolationQualification::LINEAR_ADDRESS_VALID) != 0)
        exit_.guest_linear = fault.gva.value();
    return exit_with(ExitReason::EPT_VIOLATION, violation_qualification(fault));
}

// Of a full log it has bit 12 only. SDM Vol. 3C "Basic VM-Exit Information" (28.2.1).
uint64_t NonRoot::violation_qualification(const MmuFault& fault) const {
    const bool log_full = fault.kind == MmuFault::Kind::PageModificationLogFull;
    const uint64_t qualification = log_full ? 0 : fault.qualification;
    const bool unblocked = iret_unblocked_nmi_ && !delivering_;
    return qualification | (unblocked ? x86::EptViolationQualification::NMI_UNBLOCKING : 0);
}

}  // namespace vtless::sim
