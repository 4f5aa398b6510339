// SPDX-License-Identifier: MIT
// What a Policy that chooses the events itself sees before a VM entry.
#pragma once

#include <concepts>
#include <optional>

#include "vcpu/vmx/inject.h"

namespace vtless::vmx {

template <x86::VmxHw Hw>
class EntryContext {
  public:
    explicit EntryContext(Core<Hw>& core) : core_(core) {}

    Readiness readiness() {
        const uint32_t state = inject_detail::interruptibility(core_);
        return Readiness::of(core_.vmcs.read(x86::VmcsField::GUEST_RFLAGS), state);
    }
    // Exceptions that handlers have raised since the last entry, in their order.
    std::optional<Event> take_raised() { return core_.events.take({}); }
    // Once: what the entry delivers.
    void inject(const Event& event) {
        inject_detail::write_injection(core_, inject_detail::without_error_code_in_real_mode(core_, event));
    }
    void set_interrupt_window(bool open) {
        using P = x86::PrimaryControls;
        const P closed = core_.controls.primary.without(P::INTERRUPT_WINDOW_EXITING);
        const P wanted = open ? closed.with(P::INTERRUPT_WINDOW_EXITING) : closed;
        if (wanted != core_.controls.primary) core_.write_primary(wanted);
    }

  private:
    Core<Hw>& core_;
};

// A Policy may keep the queue of events, and prepare each VM entry, in the backend's place.
template <class Policy, class Hw>
concept ChoosesEvents = requires(Policy policy, EntryContext<Hw> context, Event event) {
    { policy.queue(event) } -> std::same_as<bool>;  // false: no room
    {policy.prepare_entry(context)};
};

}  // namespace vtless::vmx
