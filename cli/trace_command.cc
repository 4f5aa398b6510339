// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "traces/compare.h"
#include "traces/diff.h"
#include "traces/trace_file.h"

namespace vtless::cli {

namespace {

struct DiffOptions {
    std::string a;
    std::string b;
};

// Traces of the simulated processor are the same to the last bit, or differ.
bool both_exact(const traces::Trace& a, const traces::Trace& b) {
    return a.backend == "vmx" && b.backend == "vmx";
}

int compare(const DiffOptions& options, const traces::Trace& a, const traces::Trace& b) {
    const traces::Comparison result = traces::compare_backends(a, b);
    fmt::print("A = {} ({})\nB = {} ({})\n", options.a, a.backend, options.b, b.backend);
    if (!result.difference) fmt::print("nothing differs that may not: {} exits are the same\n", result.same);
    if (!result.tolerated.empty()) {
        fmt::print("exits tolerated{}, by rule:\n{}", result.difference ? " so far" : "",
                   traces::describe_tolerated(result));
    }
    if (!result.difference) return kEndedAsAsked;
    fmt::print("{}", *result.difference);
    return kDifferent;
}

int run_diff(const DiffOptions& options) {
    const auto a = traces::read_trace(options.a);
    const auto b = traces::read_trace(options.b);
    for (const auto* trace : {&a, &b}) {
        if (!*trace) fmt::print(stderr, "vtless: {}\n", trace->error());
    }
    if (!a || !b) return kBadInput;
    if (!both_exact(*a, *b)) return compare(options, *a, *b);
    const auto difference = traces::first_difference(*a, *b);
    if (!difference) {
        fmt::print("the traces are the same: {} exits\n", a->exits.size());
        return kEndedAsAsked;
    }
    fmt::print("A = {}\nB = {}\n{}", options.a, options.b, *difference);
    return kDifferent;
}

}  // namespace

Command add_trace_diff_command(CLI::App& app) {
    auto options = std::make_shared<DiffOptions>();
    app.add_option("A", options->a, "One trace")->required();
    app.add_option("B", options->b, "The other")->required();
    app.footer(
        "\nTwo traces of the simulated processor are compared to the last bit. If one is of KVM, exits are "
        "compared\n"
        "by kind, fields and place, and rules allow differences: docs/traces.md.\n"
        "\nExit status: 0 the traces are the same, 1 they differ, 2 one cannot be read.\n");
    return [options] { return run_diff(*options); };
}

}  // namespace vtless::cli
