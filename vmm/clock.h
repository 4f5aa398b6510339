// SPDX-License-Identifier: MIT
// Device time. The only clock that devices know is the processor's simulated cycles; host time never enters.
#pragma once

#include <cstdint>

namespace vtless::vmm {

// The guest's time-stamp counter runs at this rate: one simulated cycle is one nanosecond of device time.
inline constexpr uint64_t kTscHz = 1'000'000'000;

// A deadline that never comes.
inline constexpr uint64_t kNever = ~uint64_t{0};

// Ticks of an oscillator of `hz` that have passed after `cycles`.
constexpr uint64_t cycles_to_ticks(uint64_t cycles, uint64_t hz) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>(static_cast<Wide>(cycles) * hz / kTscHz);
}

// The first cycle at which `ticks` ticks have passed: the inverse of cycles_to_ticks.
constexpr uint64_t ticks_to_cycles(uint64_t ticks, uint64_t hz) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(ticks) * kTscHz + hz - 1) / hz);
}

// Now, in simulated cycles. The run loop moves it at each exit; it never goes back.
class Clock {
  public:
    uint64_t now() const { return now_; }
    void advance_to(uint64_t cycles) { now_ = cycles > now_ ? cycles : now_; }

  private:
    uint64_t now_ = 0;
};

}  // namespace vtless::vmm
