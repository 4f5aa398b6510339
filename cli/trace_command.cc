// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "traces/diff.h"
#include "traces/trace_file.h"

namespace vtless::cli {

namespace {

struct DiffOptions {
    std::string a;
    std::string b;
};

int run_diff(const DiffOptions& options) {
    const auto a = traces::read_trace(options.a);
    const auto b = traces::read_trace(options.b);
    for (const auto* trace : {&a, &b}) {
        if (!*trace) fmt::print(stderr, "vtless: {}\n", trace->error());
    }
    if (!a || !b) return kBadInput;
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
    app.footer("\nExit status: 0 the traces are the same, 1 they differ, 2 one cannot be read.\n");
    return [options] { return run_diff(*options); };
}

}  // namespace vtless::cli
