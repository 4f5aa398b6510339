// SPDX-License-Identifier: MIT
// The platform side of the processor: what reaches it from outside. External interrupts, signals, one timer,
// and requests of other threads. Vectors are already chosen, as by a local APIC that accepts everything.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

namespace vtless::sim {

class HostEvents {
  public:
    static constexpr uint64_t kNever = ~uint64_t{0};
    static constexpr uint8_t kRequestVector = 0xff;  // what request_exit() looks like to a hypervisor

    // Makes the vector pending; it stays so until acknowledged.
    void raise_interrupt(uint8_t vector) {
        pending_[vector / 64] |= uint64_t{1} << (vector % 64);
        any_pending_ = true;
    }
    // As if it had not been raised; nothing if it was acknowledged before.
    void withdraw_interrupt(uint8_t vector) {
        pending_[vector / 64] &= ~(uint64_t{1} << (vector % 64));
        any_pending_ = (pending_[0] | pending_[1] | pending_[2] | pending_[3]) != 0;
    }
    void raise_nmi() { signals_ |= kNmi; }
    void raise_init() { signals_ |= kInit; }
    // Of several that no guest has seen, the last one.
    void raise_sipi(uint8_t vector) {
        signals_ |= kSipi;
        sipi_vector_ = vector;
    }
    // One shot: raises the vector when the time-stamp counter reaches tsc. kNever turns it off.
    void set_timer(uint64_t tsc, uint8_t vector) {
        timer_ = tsc;
        timer_vector_ = vector;
    }
    uint64_t timer() const { return timer_; }
    // One shot: request_exit() when the engine's cycles reach this. It wakes nobody from HLT.
    void request_exit_at(uint64_t cycles) { request_at_ = cycles; }
    uint64_t request_at() const { return request_at_; }
    void advance_request_to(uint64_t cycles) {
        if (cycles < request_at_) return;
        request_at_ = kNever;
        request_exit();
    }

    // Raises what is due at this time.
    void advance_to(uint64_t tsc) {
        if (tsc < timer_) return;
        timer_ = kNever;
        raise_interrupt(timer_vector_);
    }

    bool interrupt_pending() const { return any_pending_; }
    bool signals_pending() const { return signals_ != 0; }
    bool nmi_pending() const { return (signals_ & kNmi) != 0; }
    void take_nmi() { take(kNmi); }
    bool start_signals_pending() const { return (signals_ & (kInit | kSipi)) != 0; }
    bool take_init() { return take(kInit); }
    std::optional<uint8_t> take_sipi() { return take(kSipi) ? std::optional(sipi_vector_) : std::nullopt; }
    // The interrupt-acknowledge cycle: the highest pending vector, no longer pending.
    std::optional<uint8_t> acknowledge() {
        for (unsigned word = 4; word-- > 0;) {
            if (pending_[word] == 0) continue;
            const unsigned bit = 63 - static_cast<unsigned>(std::countl_zero(pending_[word]));
            const auto vector = static_cast<uint8_t>(word * 64 + bit);
            withdraw_interrupt(vector);
            return vector;
        }
        return std::nullopt;
    }

    // The guest waits where nothing can wake it.
    bool stalled() const { return stalled_; }
    void set_stalled(bool value) { stalled_ = value; }

    // From any thread.
    void request_exit() { exit_requested_.store(true, std::memory_order_release); }
    bool exit_requested() const { return exit_requested_.load(std::memory_order_acquire); }
    void take_exit_request() { exit_requested_.store(false, std::memory_order_release); }

  private:
    static constexpr uint8_t kNmi = 1, kInit = 2, kSipi = 4;

    bool take(uint8_t signal) {
        const bool pending = (signals_ & signal) != 0;
        signals_ &= static_cast<uint8_t>(~signal);
        return pending;
    }

    std::array<uint64_t, 4> pending_{};
    bool any_pending_ = false;
    uint8_t signals_ = 0;
    uint8_t sipi_vector_ = 0;
    uint64_t timer_ = kNever;
    uint64_t request_at_ = kNever;
    uint8_t timer_vector_ = 0;
    bool stalled_ = false;
    std::atomic<bool> exit_requested_ = false;
};

}  // namespace vtless::sim
