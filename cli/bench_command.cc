// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/complain.h"
#include "lab/bench_compare.h"

namespace vtless::cli {

namespace {

struct BenchOptions {
    std::string baseline;
    std::string result;
    std::string output;
};

int run_compare(const BenchOptions& options) {
    const auto baseline = lab::read_bench_result(options.baseline);
    if (!baseline) return complain(baseline.error());
    const auto result = lab::read_bench_result(options.result);
    if (!result) return complain(result.error());
    const lab::BenchComparison comparison = lab::compare(*baseline, *result);
    fmt::print("{}", lab::text(comparison));
    if (comparison.equal()) return kEndedAsAsked;
    fmt::print(
        "If this is what the change is for, update the baseline with it:\n  vtless bench baseline {} -o {}\n",
        options.result, options.baseline);
    return kDifferent;
}

int run_baseline(const BenchOptions& options) {
    const auto result = lab::read_bench_result(options.result);
    if (!result) return complain(result.error());
    const std::string json = lab::baseline_json(*result);
    if (options.output.empty()) {
        fmt::print("{}", json);
        return kEndedAsAsked;
    }
    std::ofstream file(options.output);
    file << json;
    file.close();
    return file ? kEndedAsAsked : complain(options.output + ": cannot be written");
}

}  // namespace

Command add_bench_compare_command(CLI::App& app) {
    auto options = std::make_shared<BenchOptions>();
    app.add_option("BASELINE", options->baseline, "What is expected: a baseline, or an earlier result")
        ->required();
    app.add_option("NEW", options->result, "JSON that the benchmarks have written: --benchmark_out")
        ->required();
    app.footer(
        "\nCompared are the counters of benchmarks named exact/...; each difference counts.\n"
        "\nExit status: 0 nothing has changed, 1 something has, 2 a file cannot be used.\n");
    return [options] { return run_compare(*options); };
}

Command add_bench_baseline_command(CLI::App& app) {
    auto options = std::make_shared<BenchOptions>();
    app.add_option("RESULT", options->result, "JSON that the benchmarks have written: --benchmark_out")
        ->required();
    app.add_option("-o,--output", options->output, "Where to, instead of standard output");
    return [options] { return run_baseline(*options); };
}

}  // namespace vtless::cli
