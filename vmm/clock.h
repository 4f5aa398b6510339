// SPDX-License-Identifier: MIT
// Device time. The only clock that devices know is the processor's simulated cycles; host time never enters.
#pragma once

#include <cstdint>

namespace vtless::vmm {

// Of the time-stamp counter, where nobody asks for another: one simulated cycle is one nanosecond of devices.
inline constexpr uint64_t kDefaultTscHz = 1'000'000'000;

// A deadline that never comes.
inline constexpr uint64_t kNever = ~uint64_t{0};

// Now, in simulated cycles. The run loop moves it at each exit; it never goes back.
class Clock {
  public:
    explicit Clock(uint64_t tsc_hz = kDefaultTscHz) : tsc_hz_(tsc_hz) {}

    // Cycles in a second of device time.
    uint64_t tsc_hz() const { return tsc_hz_; }
    uint64_t now() const { return now_; }
    void advance_to(uint64_t cycles) { now_ = cycles > now_ ? cycles : now_; }

    // Ticks of an oscillator of `hz` that have passed after `cycles`.
    uint64_t ticks_at(uint64_t cycles, uint64_t hz) const {
        return static_cast<uint64_t>(static_cast<Wide>(cycles) * hz / tsc_hz_);
    }
    uint64_t ticks(uint64_t hz) const { return ticks_at(now_, hz); }
    // The first cycle at which `ticks` ticks have passed: the inverse of ticks_at.
    uint64_t cycle_of(uint64_t ticks, uint64_t hz) const {
        return static_cast<uint64_t>((static_cast<Wide>(ticks) * tsc_hz_ + hz - 1) / hz);
    }

  private:
    __extension__ using Wide = unsigned __int128;

    uint64_t tsc_hz_;
    uint64_t now_ = 0;
};

}  // namespace vtless::vmm
