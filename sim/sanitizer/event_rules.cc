// SPDX-License-Identifier: MIT
// Events that get lost or late on their way to the guest.
#include <fmt/format.h>

#include <algorithm>

#include "isa/x86/exit_reason.h"
#include "sim/sanitizer/vmx_watch.h"

namespace vtless::sim {

using x86::EventInfo;
using x86::EventType;
using x86::PinControls;
using x86::PrimaryControls;
using x86::Vector;
using F = x86::VmcsField;

namespace {

constexpr size_t kMaxQueued = 256 + 8;  // each vector once, NMI, some exceptions

bool same_event(EventInfo a, EventInfo b) { return a.vector() == b.vector() && a.type() == b.type(); }
bool is_exception(EventInfo event) {
    return event.type() == EventType::HARDWARE_EXCEPTION || event.type() == EventType::SOFTWARE_EXCEPTION ||
           event.type() == EventType::PRIVILEGED_SOFTWARE_EXCEPTION;
}

std::string text(EventInfo event) {
    const char* name = is_exception(event) ? x86::name(static_cast<Vector>(event.vector())) : nullptr;
    switch (event.type()) {
        case EventType::EXTERNAL_INTERRUPT:
            return fmt::format("interrupt {:#x}", event.vector());
        case EventType::NMI:
            return "NMI";
        case EventType::SOFTWARE_INTERRUPT:
            return fmt::format("INT {:#x}", event.vector());
        case EventType::OTHER:
            return fmt::format("event of type 7, vector {}", event.vector());
        default:
            return name != nullptr ? fmt::format("exception {} (#{})", event.vector(), name)
                                   : fmt::format("exception {}", event.vector());
    }
}

// Whether the VM entry asks for an exit as soon as the guest can take the event.
bool window_open(EventInfo event, const EntrySnapshot& entry) {
    const bool interrupts = entry.primary.has(PrimaryControls::INTERRUPT_WINDOW_EXITING);
    if (event.type() == EventType::EXTERNAL_INTERRUPT) return interrupts;
    if (entry.pin.has(PinControls::VIRTUAL_NMIS))
        return entry.primary.has(PrimaryControls::NMI_WINDOW_EXITING);
    return interrupts;
}

// Executing the instruction at RIP again raises the event again: a fault, INT n, INT3, INTO, INT1.
bool comes_again(const OwedEvent& owed, uint64_t rip) {
    if (owed.rip != rip) return false;
    const EventInfo event = owed.info;
    if (event.type() == EventType::EXTERNAL_INTERRUPT || event.type() == EventType::NMI) return false;
    const bool trap = event.is_exception(Vector::DB) || event.is_exception(Vector::MC);
    return event.type() != EventType::HARDWARE_EXCEPTION || !trap;
}

}  // namespace

// Two exceptions that make a double fault are the one way to replace an event.
void VmxWatch::check_overwritten(const VmxView& view, VmcsRecord& record, uint64_t value) {
    const EventInfo old{static_cast<uint32_t>(view.read(F::VM_ENTRY_INTERRUPTION_INFORMATION))};
    const EventInfo now{static_cast<uint32_t>(value)};
    const bool waits = record.injection_waits && old.valid();
    record.injection_waits = now.valid();
    if (!waits || !now.valid() || same_event(old, now)) return;
    if (is_exception(old) && now.is_exception(Vector::DF)) return;
    sanitizer_.report(Rule::EventOverwritten, site(view), {old.raw, now.raw},
                      [&] { return fmt::format("The {} was replaced by the {}.", text(old), text(now)); });
}

// SDM Vol. 3C "Information for VM Exits That Occur During Event Delivery" (25.9.3). A task switch is the
// delivery itself, which the hypervisor completes.
void VmxWatch::note_owed(const VmxView& view, VmcsRecord& record) {
    record.owed.reset();
    const EventInfo vectoring{view.vmcs->get32(F::IDT_VECTORING_INFORMATION)};
    const x86::ExitReasonField reason{view.vmcs->get32(F::EXIT_REASON)};
    if (!vectoring.valid() || reason.basic() == x86::ExitReason::TASK_SWITCH) return;
    const EventInfo cause{reason.basic() == x86::ExitReason::EXCEPTION_OR_NMI
                              ? view.vmcs->get32(F::VM_EXIT_INTERRUPTION_INFORMATION)
                              : 0};
    record.owed = OwedEvent{vectoring, cause, view.read(F::GUEST_RIP)};
}

// After the exit that follows the entry, but before that exit is noted. Whether the entry has injected the
// event.
bool VmxWatch::settle_owed(VmcsRecord& record) {
    if (!record.owed) return false;
    const OwedEvent owed = *record.owed;
    record.owed.reset();
    const EventInfo injected = entry_.injected;
    if (injected.valid() && same_event(injected, owed.info)) return true;
    // An exception during delivery takes the event's place, alone or as a double fault.
    if (owed.cause.valid() && injected.valid() && is_exception(injected)) return false;
    const bool external =
        owed.info.type() == EventType::EXTERNAL_INTERRUPT || owed.info.type() == EventType::NMI;
    const auto is_owed = [&](EventInfo event) { return same_event(event, owed.info); };
    const bool queued = std::any_of(record.queued.begin(), record.queued.end(), is_owed);
    if (external && (queued || window_open(owed.info, entry_))) return false;
    if (!injected.valid() && comes_again(owed, entry_.rip)) return false;
    sanitizer_.report(Rule::EventVectoringIgnored, entry_.site, {owed.info.raw, 0}, [&] {
        return fmt::format("The {} was lost; the entry injected {}.", text(owed.info),
                           injected.valid() ? "the " + text(injected) : "nothing");
    });
    return false;
}

void VmxWatch::event_queued(Hpa vmcs, EventInfo event) {
    VmcsRecord* record = sanitizer_.record(vmcs);
    if (record == nullptr || record->queued.size() >= kMaxQueued) return;
    const bool once = !is_exception(event);
    const auto is_same = [event](EventInfo other) { return same_event(other, event); };
    if (once && std::any_of(record->queued.begin(), record->queued.end(), is_same)) return;
    record->queued.push_back(event);
}

// One event goes with each entry; what waits on must not be forgotten.
void VmxWatch::settle_queued(VmcsRecord& record, bool owed_injected) {
    const EventInfo injected = entry_.injected;
    const auto is_injected = [injected](EventInfo event) {
        return injected.valid() && same_event(event, injected);
    };
    const auto found = std::find_if(record.queued.begin(), record.queued.end(), is_injected);
    if (found != record.queued.end()) record.queued.erase(found);
    const bool exception_injected = injected.valid() && is_exception(injected);
    for (const EventInfo event : record.queued) {
        const bool exception = is_exception(event);
        if (exception ? exception_injected || owed_injected : window_open(event, entry_)) continue;
        sanitizer_.report(exception ? Rule::EventLateException : Rule::EventLateInterrupt, entry_.site,
                          {event.raw, 0}, [&] {
                              return fmt::format("The {} waits; the entry injected {}.", text(event),
                                                 injected.valid() ? "the " + text(injected) : "nothing");
                          });
    }
}

}  // namespace vtless::sim
