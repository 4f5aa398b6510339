// SPDX-License-Identifier: MIT
// What a benchmark program has counted: a file of Google Benchmark's JSON, or a baseline made from one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "isa/expected.h"

namespace vtless::lab {

// Of this version are files whose counters mean what those of this build mean. In a result: the context's
// "vtless_counters".
inline constexpr uint64_t kCountersVersion = 1;
// Counters of benchmarks named like this are functions of guest and hypervisor alone; all others are noise.
inline constexpr const char* kExactPrefix = "exact/";

// NAME@DIGEST: what is counted depends on a file, which has that digest and is not part of this project.
inline bool depends_on_a_file(const std::string& name) { return name.find('@') != std::string::npos; }

struct BenchRow {
    std::map<std::string, double> counters;  // by name; per operation
    std::optional<double> host_ns;           // an iteration's real time; not in a baseline
};

struct BenchResult {
    std::map<std::string, BenchRow> rows;  // by name: the exact benchmarks only
};

// The error names the file, what is wrong with it, and what was expected.
Expected<BenchResult, std::string> read_bench_result(const std::string& path);
// A baseline: exact counters only, the same bytes on every machine.
std::string baseline_json(const BenchResult& result);

}  // namespace vtless::lab
