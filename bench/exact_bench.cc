// SPDX-License-Identifier: MIT
// What does each operation between guest and hypervisor take: simulated cycles, instructions, VM exits,
// VMREADs and VMWRITEs by field, page walks? Exact, unlike the host's time beside it. Gated by `vtless bench
// compare`: docs/gate.md.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/exact/operations.h"

namespace {

using namespace vtless::bench;

void run(benchmark::State& state, const Operation& operation) {
    const auto guest = guest_of(operation);
    const auto counters = count(operation, *guest);
    for (auto _ : state) operation.once(*guest);
    for (const auto& [name, value] : counters) state.counters[name] = value;
}

const bool registered = [] {
    for (const Operation& operation : operations())
        benchmark::RegisterBenchmark((std::string("exact/") + operation.name).c_str(), run, operation);
    return true;
}();

}  // namespace
