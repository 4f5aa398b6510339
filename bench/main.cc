// SPDX-License-Identifier: MIT
// Runs the benchmarks and prints the table of what they reached.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "bench/support/versus.h"
#include "lab/bench_result.h"

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    benchmark::AddCustomContext("vtless_counters", std::to_string(vtless::lab::kCountersVersion));
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    std::printf("\n%s", vtless::bench::summary().c_str());
    return 0;
}
