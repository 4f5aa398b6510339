// SPDX-License-Identifier: MIT
// Runs kept programs again, here and in Bochs; with --record, what Bochs says is what is expected from now
// on.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tests/differential/runs.h"
#include "tests/differential/saved_case.h"
#include "tests/rom/run.h"

namespace {

using namespace vtless;
using namespace vtless::differential;

// Status of one file: 0 as expected, 1 not, 2 could not ask.
int run_case(const std::string& path, bool record) {
    auto saved = load_case(path);
    if (!saved) return fmt::print(stderr, "differential_case: {}\n", saved.error()), 2;
    const Outcomes outcomes =
        run({saved->mode, saved->seed, 1, kAllInstructions, saved->code}, rom::scratch("differential-case"));
    if (outcomes.ours.size() != 1 || outcomes.bochs.size() != 1)
        return fmt::print(stderr, "differential_case: {}: does not end\n", path), 2;
    const Outcome& ours = outcomes.ours.begin()->second;
    const Outcome& bochs = outcomes.bochs.begin()->second;
    const std::string from_bochs = difference(ours, bochs);
    fmt::print("{}:\n    {}\nhere: {}\n", path,
               fmt::join(disassemble(saved->mode, saved->program()), "\n    "),
               from_bochs.empty() ? "as Bochs" : from_bochs);
    if (record) {
        saved->expected = bochs;
        const auto done = save_case(*saved, path);
        if (!done) return fmt::print(stderr, "differential_case: {}\n", done.error()), 2;
    }
    const std::string from_expected = difference_from_case(ours, saved->expected);
    if (!from_expected.empty()) fmt::print("here, but expected: {}\n", from_expected);
    return from_bochs.empty() && from_expected.empty() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    std::vector<std::string> files;
    bool record = false;
    CLI::App app("Kept programs again, here and in Bochs: docs/differential.md", "differential_case");
    app.add_option("FILE", files, "cases")->required()->check(CLI::ExistingFile);
    app.add_flag("--record", record, "expect what Bochs says");
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (const std::string reason = rom::why_no_bochs(); !reason.empty()) {
        fmt::print(stderr, "differential_case: {}\n", reason);
        return 2;
    }
    int status = 0;
    for (const std::string& file : files) status = std::max(status, run_case(file, record));
    return status;
}
