// SPDX-License-Identifier: MIT
// While it lives simulated time stands: what only looks on, like a trace or a digest, takes the guest none.
#pragma once

#include "sim/engine/engine.h"

namespace vtless::vmm {

class StandingClock {
  public:
    explicit StandingClock(sim::Engine& engine) : engine_(engine), before_(engine.cycles()) {}
    // VMREADs and walks take whole cycles; the difference is taken back modulo 2^64.
    ~StandingClock() { engine_.add_cycles(before_ - engine_.cycles()); }
    StandingClock(const StandingClock&) = delete;
    StandingClock& operator=(const StandingClock&) = delete;

  private:
    sim::Engine& engine_;
    uint64_t before_;
};

}  // namespace vtless::vmm
