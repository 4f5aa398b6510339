// SPDX-License-Identifier: MIT
// Event injection at VM entry, and events that a VM exit cut short.
// SDM Vol. 3C "Event Injection" (27.6), "Handling VMX-Induced Exceptions" and "Handling of Interrupted
// Delivery" (33.7.1).
#pragma once

#include "vcpu/vmx/core.h"

namespace vtless::vmx {

namespace inject_detail {

// STI and MOV SS hold events off for one instruction: the one that was emulated since, if any.
template <class Hw>
uint32_t interruptibility(Core<Hw>& core) {
    using namespace x86::interruptibility;
    const uint32_t state = core.vmcs.read32(x86::VmcsField::GUEST_INTERRUPTIBILITY_STATE);
    const uint32_t over = state & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    if (!core.emulated || state == over) [[likely]]
        return state;
    core.vmcs.write(x86::VmcsField::GUEST_INTERRUPTIBILITY_STATE, over);
    return over;
}

template <class Hw>
void write_injection(Core<Hw>& core, const Event& event) {
    using x86::VmcsField;
    core.injected = event;
    core.vmcs.write(VmcsField::VM_ENTRY_INTERRUPTION_INFORMATION, event.info.raw);
    if (event.info.has_error_code())
        core.vmcs.write(VmcsField::VM_ENTRY_EXCEPTION_ERROR_CODE, event.error_code);
    if (event.info.is_software())
        core.vmcs.write(VmcsField::VM_ENTRY_INSTRUCTION_LENGTH, event.instruction_length);
    if (event.cr2) (void)core.hw->write_cr2(*event.cr2);  // cannot fault at CPL 0
}

// In real mode no error code is pushed and VM entry refuses one. SDM Vol. 3C 27.2.1.3.
template <class Hw>
Event without_error_code_in_real_mode(Core<Hw>& core, Event event) {
    if (event.info.has_error_code() && (core.vmcs.read(x86::VmcsField::GUEST_CR0) & x86::cr0::PE) == 0)
        event.info.raw &= ~x86::EventInfo::kErrorCodeValid;
    return event;
}

// Without virtual NMIs there is no NMI window; the end of the interrupt window is asked for instead.
template <class Hw>
void request_windows(Core<Hw>& core) {
    using P = x86::PrimaryControls;
    const bool nmi_window = core.controls.pin.has(x86::PinControls::VIRTUAL_NMIS);
    const bool nmi = core.events.has_nmi();
    P wanted = core.controls.primary.without(P::INTERRUPT_WINDOW_EXITING | P::NMI_WINDOW_EXITING);
    if (core.window_wanted || core.events.has_interrupts() || (nmi && !nmi_window))
        wanted = wanted.with(P::INTERRUPT_WINDOW_EXITING);
    if (nmi && nmi_window) wanted = wanted.with(P::NMI_WINDOW_EXITING);
    if (wanted != core.controls.primary) core.write_primary(wanted);
}

template <class Hw>
[[gnu::noinline]] void prepare_events(Core<Hw>& core) {
    const uint32_t state = interruptibility(core);
    const uint64_t flags = core.vmcs.read(x86::VmcsField::GUEST_RFLAGS);
    if (const auto event = core.events.take(Readiness::of(flags, state)))
        write_injection(core, without_error_code_in_real_mode(core, *event));
    request_windows(core);
}

}  // namespace inject_detail

// Before each VM entry. Without an event or a window all it does is to end the shadow of an instruction that
// was emulated, which the processor would not. The processor clears the valid bit of the injected event
// itself.
template <class Hw>
void prepare_entry(Core<Hw>& core) {
    using P = x86::PrimaryControls;
    constexpr uint32_t kWindows = P::INTERRUPT_WINDOW_EXITING | P::NMI_WINDOW_EXITING;
    core.injected.info.raw = 0;
    if (!core.events.empty() || (core.controls.primary.raw & kWindows) != 0) [[unlikely]] {
        inject_detail::prepare_events(core);
    } else if (core.emulated) [[likely]] {
        (void)inject_detail::interruptibility(core);
    }
    core.emulated = false;
}

// Whether an interrupt that is queued now would be injected at the next entry.
template <class Hw>
bool can_take_interrupt(Core<Hw>& core) {
    if (!core.events.empty()) return false;
    const uint32_t state = inject_detail::interruptibility(core);
    return Readiness::of(core.vmcs.read(x86::VmcsField::GUEST_RFLAGS), state).interrupts;
}

template <class Hw>
void want_interrupt_window(Core<Hw>& core, bool wanted) {
    if (core.window_wanted == wanted) return;
    core.window_wanted = wanted;
    inject_detail::request_windows(core);
}

// After an entry that failed: the event was not delivered and stays first.
template <class Hw>
void withdraw_injection(Core<Hw>& core) {
    if (!core.injected.info.valid()) return;
    core.vmcs.write(x86::VmcsField::VM_ENTRY_INTERRUPTION_INFORMATION, 0);
    core.events.push_interrupted(core.injected);
}

// Whether an exit of this kind can happen in the middle of the delivery of an event. What is not known can.
constexpr bool may_interrupt_delivery(x86::ExitReason reason) {
    using R = x86::ExitReason;
    switch (reason) {
        case R::EXCEPTION_OR_NMI:
        case R::TASK_SWITCH:
        case R::APIC_ACCESS:
        case R::EPT_VIOLATION:
        case R::EPT_MISCONFIGURATION:
        case R::APIC_WRITE:
        case R::PML_FULL:
        case R::SPP_EVENT:
            return true;
        default:
            return x86::name(reason) == nullptr;
    }
}

// The event whose delivery the exit interrupted, if any.
template <class Hw>
std::optional<Event> interrupted_event(Core<Hw>& core) {
    using x86::VmcsField;
    Event event{{core.vmcs.read32(VmcsField::IDT_VECTORING_INFORMATION)}, 0, 0, std::nullopt};
    if (!event.info.valid()) return std::nullopt;
    event.info.raw &= ~x86::EventInfo::kNmiUnblocking;  // undefined here, reserved at VM entry
    if (event.info.has_error_code()) event.error_code = core.vmcs.read32(VmcsField::IDT_VECTORING_ERROR_CODE);
    if (event.info.is_software())
        event.instruction_length =
            static_cast<uint8_t>(core.vmcs.read(VmcsField::VM_EXIT_INSTRUCTION_LENGTH));
    return event;
}

// Queues it again. An NMI that was cut short must not be blocked by itself.
template <class Hw>
void requeue_interrupted(Core<Hw>& core, const Event& event) {
    using x86::VmcsField;
    if (event.info.type() == x86::EventType::NMI) {
        const uint32_t state = core.vmcs.read32(VmcsField::GUEST_INTERRUPTIBILITY_STATE);
        core.vmcs.write(VmcsField::GUEST_INTERRUPTIBILITY_STATE,
                        state & ~x86::interruptibility::BLOCKING_BY_NMI);
    }
    core.events.push_interrupted(event);
}

}  // namespace vtless::vmx
