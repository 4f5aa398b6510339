// SPDX-License-Identifier: MIT
// What RDRAND and RDSEED give: the same numbers in every run, as everything else.
#pragma once

#include <cstdint>

namespace vtless::sim {

class RandomNumbers {
  public:
    // A counter in large odd steps, scrambled: each number comes once before any comes again.
    uint64_t next() {
        counter_ += 0xd1342543de82ef95;
        uint64_t bits = counter_;
        bits = (bits ^ bits >> 32) * 0xaef17502108ef2d9;
        bits = (bits ^ bits >> 29) * 0x9fb21c651e98df25;
        return bits ^ bits >> 32;
    }

    friend bool operator==(const RandomNumbers&, const RandomNumbers&) = default;

  private:
    uint64_t counter_ = 0;
};

}  // namespace vtless::sim
