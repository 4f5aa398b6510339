// SPDX-License-Identifier: MIT
// The same numbers everywhere: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014).
#pragma once

#include <cstdint>

namespace vtless::differential {

class Random {
  public:
    explicit constexpr Random(uint64_t seed) : state_(seed) {}

    constexpr uint64_t next() {
        state_ += 0x9e3779b97f4a7c15;
        uint64_t mixed = state_;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
        return mixed ^ mixed >> 31;
    }
    // Of 0 to n - 1.
    constexpr unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) * n >> 32); }
    constexpr bool one_in(unsigned n) { return below(n) == 0; }

  private:
    uint64_t state_;
};

}  // namespace vtless::differential
