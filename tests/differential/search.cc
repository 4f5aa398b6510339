// SPDX-License-Identifier: MIT
// Looks for programs that do not end alike here and in Bochs, says what is left of each, and keeps it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <string>

#include "tests/differential/runs.h"
#include "tests/differential/saved_case.h"
#include "tests/rom/run.h"

namespace {

using namespace vtless;
using namespace vtless::differential;

struct Search {
    Mode mode = Mode::Real16;
    uint64_t first_seed = 0;
    uint64_t programs = 0;
    std::string folder;
};

// False if it could not be kept.
bool keep(const Search& search, const Mismatch& found, const Outcome& expected) {
    const Program program = found.program();
    SavedCase saved;
    saved.mode = found.mode;
    saved.seed = found.seed;
    saved.code.assign(program.code().data() + program.begin(), program.code().data() + program.end());
    saved.found = fmt::format("seed {} of {}, instructions {:#x}: {}", found.seed, name(found.mode),
                              found.kept, found.difference);
    saved.expected = expected;
    const std::string path = fmt::format("{}/{}_{}.json", search.folder, name(found.mode), found.seed);
    const auto done = save_case(saved, path);
    fmt::print("{}\n", done ? "kept as " + path : done.error());
    return done.has_value();
}

// Status: 0 all end alike, 1 some do not, 2 could not ask or keep.
int run_search(const Search& search) {
    const std::string scratch = rom::scratch(fmt::format("differential-{}", name(search.mode)));
    const Outcomes outcomes = run({search.mode, search.first_seed, search.programs}, scratch);
    fmt::print("{} programs here, {} in Bochs\n", outcomes.ours.size(), outcomes.bochs.size());
    bool alike = outcomes.ours.size() == search.programs && outcomes.bochs.size() == search.programs;
    for (const auto& [seed, ours] : outcomes.ours) {
        const auto bochs = outcomes.bochs.find(seed);
        if (bochs == outcomes.bochs.end() || difference(ours, bochs->second).empty()) continue;
        alike = false;
        const Mismatch found = minimise(search.mode, seed, scratch);
        fmt::print("seed {} of {}, instructions {:#x}: {}\n    {}\n", seed, name(search.mode), found.kept,
                   found.difference, fmt::join(disassemble(found.mode, found.program()), "\n    "));
        std::fflush(stdout);
        if (!search.folder.empty() && !keep(search, found, found.bochs)) return 2;
    }
    return alike ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    Search search;
    CLI::App app("Random programs, here and in Bochs: docs/differential.md", "differential_search");
    std::string mode;
    app.add_option("MODE", mode, "real, protected or long")
        ->required()
        ->check(CLI::IsMember({"real", "protected", "long"}));
    app.add_option("FIRST", search.first_seed, "the first seed")->required();
    app.add_option("COUNT", search.programs, "how many")->required();
    app.add_option("--save", search.folder, "keep what is left of each as a case in this folder")
        ->check(CLI::ExistingDirectory);
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    search.mode = *mode_named(mode);
    if (const std::string reason = rom::why_no_bochs(); !reason.empty()) {
        fmt::print(stderr, "differential_search: {}\n", reason);
        return 2;
    }
    return run_search(search);
}
