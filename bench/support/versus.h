// SPDX-License-Identifier: MIT
// One row of the benchmark table: something of ours against its floor or peer, measured in the same run.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vtless::bench {

struct Target {
    enum class Kind : uint8_t {
        Ratio,    // measured / floor, at most
        More,     // measured - floor in ns, at most
        Speed,    // floor / measured, at least
        Absolute  // measured in ns, at most; the floor is for comparison
    };
    Kind kind = Kind::Ratio;
    double value = 0;

    static constexpr Target at_most_times(double value) { return {Kind::Ratio, value}; }
    static constexpr Target at_most_more_ns(double value) { return {Kind::More, value}; }
    static constexpr Target at_least_speed(double value) { return {Kind::Speed, value}; }
    static constexpr Target at_most_ns(double value) { return {Kind::Absolute, value}; }
};

// Each runs one batch and returns nanoseconds per unit.
using Batch = std::function<double()>;
struct Contest {
    Batch floor;
    Batch measured;
};

template <class F>
double ns_per(uint64_t units, F&& run) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::nano> passed = std::chrono::steady_clock::now() - start;
    return passed.count() / static_cast<double>(units);
}

// Alternates batches of both and keeps the best of each: what else the machine does makes batches slower,
// never faster. Where the speed of translated code depends on where it came to lie, give several contests on
// engines of their own; the best of all counts.
void versus(benchmark::State& state, const std::string& what, Target target,
            const std::vector<Contest>& contests);

// Rows that were measured otherwise. Of rows of one name the last stays; of parts of one the table shows that
// which is furthest from its floor.
void record(const std::string& what, Target target, double floor_ns, double measured_ns);
struct Measured {
    double floor_ns;
    double ns;
};
void record_part(const std::string& what, const std::string& part, Target target, const Measured& measured);

// The rows so far, as a table.
std::string summary();

// Registers a benchmark; its time is that of a round of both, the counters say the rest.
template <class F>
bool add(const char* name, F&& function) {
    benchmark::RegisterBenchmark(name, std::forward<F>(function))
        ->MinTime(0.3)
        ->Unit(benchmark::kMicrosecond);
    return true;
}

}  // namespace vtless::bench
