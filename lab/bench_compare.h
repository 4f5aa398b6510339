// SPDX-License-Identifier: MIT
// What has changed between two results: exact counters to the last digit, host time as a ratio for
// information.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/bench_result.h"

namespace vtless::lab {

// A counter that is not as it was. Absent on one side: there was none, or there is none any more.
struct BenchChange {
    std::string benchmark;
    std::string counter;
    std::optional<double> before;
    std::optional<double> after;
};

struct BenchComparison {
    std::vector<BenchChange> changes;       // ordered by benchmark, then from cause to effect
    std::vector<std::string> missing;       // in the baseline only
    std::vector<std::string> unknown;       // in the new result only
    std::vector<std::string> other_inputs;  // in one of them only, since what they run is not the other's
    std::vector<std::pair<std::string, double>> host_ratios;  // new / baseline, where both have host times
    size_t same = 0;                                          // benchmarks without a change

    bool equal() const { return changes.empty() && missing.empty() && unknown.empty(); }
};

BenchComparison compare(const BenchResult& baseline, const BenchResult& now);

// For people: what changed, where the cause is, host ratios.
std::string text(const BenchComparison& comparison);

}  // namespace vtless::lab
