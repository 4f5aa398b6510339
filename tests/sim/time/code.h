// SPDX-License-Identifier: MIT
// Instructions as bytes, and what a run of them costs.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "sim/time/straight_line.h"

namespace vtless::sim::test {

using Instruction = std::vector<std::byte>;

inline Instruction code(std::initializer_list<unsigned> bytes) {
    Instruction result;
    for (const unsigned byte : bytes) result.push_back(static_cast<std::byte>(byte));
    return result;
}

constexpr uint32_t kFallbackCycles = 20;

inline const CostTable& table(std::string_view model) { return *CostTable::find(model); }

inline double cycles(const std::vector<Instruction>& run, unsigned bits = 64,
                     std::string_view model = "haswell") {
    StraightLine line(table(model), kFallbackCycles);
    for (const Instruction& each : run) line.append(each, bits);
    return static_cast<double>(line.ticks()) / kTicksPerCycle;
}

}  // namespace vtless::sim::test
