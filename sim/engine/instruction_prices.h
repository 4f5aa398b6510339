// SPDX-License-Identifier: MIT
// What instructions cost that run one after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/time/cycle_costs.h"
#include "sim/time/straight_line.h"

namespace vtless::sim {

// Whether nothing overlaps with what runs after it: control goes elsewhere, or may. By Capstone id.
bool ends_straight_run(unsigned capstone_id);

class InstructionPrices {
  public:
    explicit InstructionPrices(const InstructionCosts& costs)
        : costs_(costs), line_(*costs.table, costs.carried_out) {}

    // What comes now has nothing before it.
    void restart() { line_.restart(); }
    // In ticks: what the run takes longer with the instruction. bits: 16, 32 or 64, of the code segment.
    uint16_t append(unsigned capstone_id, std::span<const std::byte> bytes, unsigned bits);

  private:
    InstructionCosts costs_;
    StraightLine line_;
};

}  // namespace vtless::sim
