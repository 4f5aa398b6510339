// SPDX-License-Identifier: MIT
// The events that wait for the guest, and which goes first.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "vcpu/vmx/fixed_vector.h"

namespace vtless::vmx {

struct Event {
    x86::EventInfo info;
    uint32_t error_code = 0;
    uint8_t instruction_length = 0;  // software interrupts and exceptions
    std::optional<uint64_t> cr2;     // #PF: the faulting address, to be written before the entry

    static constexpr Event exception(x86::Vector vector, uint32_t error_code = 0) {
        return {x86::EventInfo::exception(vector), error_code, 0, std::nullopt};
    }
    static constexpr Event page_fault(uint64_t address, uint32_t error_code) {
        return {x86::EventInfo::exception(x86::Vector::PF), error_code, 0, address};
    }
    friend constexpr bool operator==(const Event&, const Event&) = default;
};

// What of the guest decides whether it can take an event now.
struct Readiness {
    bool interrupts = false;  // RFLAGS.IF set, no blocking by STI or MOV SS
    bool nmis = false;        // no blocking by NMI or MOV SS

    static constexpr Readiness of(uint64_t rflags, uint32_t state) {
        using namespace x86::interruptibility;
        const bool shadow = (state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) != 0;
        return {(rflags & x86::rflags::IF) != 0 && !shadow,
                (state & (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI)) == 0};
    }
};

// One event can be injected at a VM entry. First the one whose delivery an exit interrupted, then exceptions
// in their order, then NMI, then external interrupts, the highest vector first as a local APIC orders them.
// An external interrupt waits once for each vector, NMI once.
class EventQueue {
  public:
    static constexpr size_t kExceptions = 4;

    bool empty() const { return waiting_ == 0; }
    bool has_interrupts() const { return (waiting_ & kInterrupts) != 0; }
    bool has_nmi() const { return (waiting_ & kNmi) != 0; }

    // False when kExceptions wait already.
    bool push_exception(const Event& event) {
        waiting_ |= kException;
        return exceptions_.push_back(event);
    }
    void push_nmi() { waiting_ |= kNmi; }
    void push_interrupt(uint8_t vector) {
        waiting_ |= kInterrupts;
        interrupts_[vector / 64] |= uint64_t{1} << (vector % 64);
    }
    // By its type.
    bool push(const Event& event) {
        if (event.info.type() == x86::EventType::EXTERNAL_INTERRUPT)
            return push_interrupt(event.info.vector()), true;
        if (event.info.type() == x86::EventType::NMI) return push_nmi(), true;
        return push_exception(event);
    }
    // An event whose delivery was cut short: goes before all others, without looking at readiness.
    void push_interrupted(const Event& event) {
        waiting_ |= kInterrupted;
        interrupted_ = event;
    }

    // Removes and returns the event to inject now, if any.
    std::optional<Event> take(Readiness ready) {
        if ((waiting_ & kInterrupted) != 0) {
            waiting_ &= ~kInterrupted;
            return interrupted_;
        }
        if ((waiting_ & kException) != 0) return take_exception();
        if (has_nmi() && ready.nmis) {
            waiting_ &= ~kNmi;
            return Event{x86::EventInfo::nmi(), 0, 0, std::nullopt};
        }
        if (has_interrupts() && ready.interrupts) return take_interrupt();
        return std::nullopt;
    }

  private:
    static constexpr unsigned kInterrupted = 1;
    static constexpr unsigned kException = 2;
    static constexpr unsigned kNmi = 4;
    static constexpr unsigned kInterrupts = 8;

    Event take_exception() {
        const Event event = exceptions_[0];
        exceptions_.pop_front();
        if (exceptions_.empty()) waiting_ &= ~kException;
        return event;
    }
    Event take_interrupt() {
        unsigned word = 3;
        while (interrupts_[word] == 0) --word;
        const auto top = static_cast<unsigned>(63 - std::countl_zero(interrupts_[word]));
        interrupts_[word] &= ~(uint64_t{1} << top);
        if ((interrupts_[0] | interrupts_[1] | interrupts_[2] | interrupts_[3]) == 0)
            waiting_ &= ~kInterrupts;
        const auto vector = static_cast<uint8_t>(word * 64 + top);
        return {x86::EventInfo::external_interrupt(vector), 0, 0, std::nullopt};
    }

    unsigned waiting_ = 0;
    Event interrupted_;
    FixedVector<Event, kExceptions> exceptions_;
    std::array<uint64_t, 4> interrupts_{};
};

}  // namespace vtless::vmx
