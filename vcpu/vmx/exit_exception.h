// SPDX-License-Identifier: MIT
// Exceptions that are intercepted, and the host's NMIs. SDM Vol. 3C "Information for VM Exits Due to Vectored
// Events" (25.9.2), Vol. 3A "Interrupt 8—Double Fault Exception" (table 6-5).
#pragma once

#include "vcpu/vmx/exit_ept.h"

namespace vtless::vmx {

namespace exception_detail {

template <class Hw>
Event intercepted_exception(Core<Hw>& core) {
    using x86::VmcsField;
    Event event{{core.vmcs.read32(VmcsField::VM_EXIT_INTERRUPTION_INFORMATION)}, 0, 0, std::nullopt};
    event.info.raw &= ~x86::EventInfo::kNmiUnblocking;
    if (event.info.has_error_code())
        event.error_code = core.vmcs.read32(VmcsField::VM_EXIT_INTERRUPTION_ERROR_CODE);
    if (event.info.is_software())
        event.instruction_length =
            static_cast<uint8_t>(core.vmcs.read(VmcsField::VM_EXIT_INSTRUCTION_LENGTH));
    if (event.info.is_exception(x86::Vector::PF)) event.cr2 = core.vmcs.read(VmcsField::EXIT_QUALIFICATION);
    return event;
}

// An exception during the delivery of another event. False: it makes a triple fault.
template <class Hw>
bool combine(Core<Hw>& core, const Event& first, const Event& second) {
    using x86::EventType;
    const auto vector = static_cast<x86::Vector>(second.info.vector());
    const auto first_vector = static_cast<x86::Vector>(first.info.vector());
    const bool by_hardware = first.info.type() == EventType::HARDWARE_EXCEPTION;
    const bool serious = x86::is_contributory(vector) || vector == x86::Vector::PF;
    if (by_hardware && first_vector == x86::Vector::DF && serious) return false;
    if (by_hardware && x86::makes_double_fault(first_vector, vector)) {
        core.inject(x86::Vector::DF);
        return true;
    }
    // The second goes first. An interrupt comes back afterwards; what an instruction raised is raised again.
    if (first.info.type() == EventType::EXTERNAL_INTERRUPT) core.events.push_interrupt(first.info.vector());
    if (first.info.type() == EventType::NMI) core.events.push_nmi();
    core.inject(second);
    return true;
}

}  // namespace exception_detail

// Gives the exception to the guest as if it had not been intercepted. #DB and #MC are not: the first needs
// DR6, which has no VMCS field, the second is the host's.
template <class Hw>
Result<VmExit> handle_exception(Core<Hw>& core) {
    const x86::EventInfo info{core.vmcs.read32(x86::VmcsField::VM_EXIT_INTERRUPTION_INFORMATION)};
    if (info.type() == x86::EventType::NMI) return VmExit::ExternalInterrupt{info.vector()};
    const auto interrupted = interrupted_event(core);
    if (info.is_exception(x86::Vector::DB) || info.is_exception(x86::Vector::MC)) {
        if (interrupted) requeue_interrupted(core, *interrupted);
        return ept_detail::unhandled(x86::ExitReason::EXCEPTION_OR_NMI, core);
    }
    const Event event = exception_detail::intercepted_exception(core);
    if (!interrupted) {
        if (info.nmi_unblocking() && !info.is_exception(x86::Vector::DF))
            ept_detail::restore_nmi_blocking(core);
        core.inject(event);
    } else if (!exception_detail::combine(core, *interrupted, event)) {
        return VmExit::Unhandled{static_cast<uint64_t>(x86::ExitReason::TRIPLE_FAULT), 0};
    }
    return VmExit::Nothing{};
}

}  // namespace vtless::vmx
