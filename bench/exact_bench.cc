// SPDX-License-Identifier: MIT
// What does each operation between guest and hypervisor take: simulated cycles, instructions, VM exits,
// VMREADs and VMWRITEs by field, page walks? Exact, unlike the host's time beside it. Gated by `vtless bench
// compare`: docs/gate.md.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/exact/boot_slice.h"
#include "bench/exact/operations.h"

namespace {

using namespace vtless::bench;

void run(benchmark::State& state, const Operation& operation) {
    const auto guest = guest_of(operation);
    const auto counters = count(operation, *guest);
    for (auto _ : state) operation.once(*guest);
    for (const auto& [name, value] : counters) state.counters[name] = value;
}

void run_slice(benchmark::State& state, const BootSlice& slice) {
    for (auto _ : state) {
        const auto counters = count(slice);
        if (!counters) return state.SkipWithError(counters.error().message.c_str());
        for (const auto& [name, value] : *counters) state.counters[name] = value;
    }
}

const bool registered = [] {
    for (const Operation& operation : operations())
        benchmark::RegisterBenchmark((std::string("exact/") + operation.name).c_str(), run, operation);
    for (const BootSlice& slice : boot_slices())
        benchmark::RegisterBenchmark(("exact/" + slice.name).c_str(), run_slice, slice);
    return true;
}();

}  // namespace
