// SPDX-License-Identifier: MIT
// Looks for programs that do not end alike here and in Bochs, and says what is left of each.
#include <fmt/format.h>

#include <cstdlib>

#include "tests/differential/program.h"
#include "tests/differential/runs.h"
#include "tests/rom/run.h"

int main(int count, char** arguments) {
    using namespace vtless;
    using namespace vtless::differential;
    if (count != 4) {
        fmt::print(stderr, "usage: differential_search real|protected|long FIRST-SEED COUNT\n");
        return 2;
    }
    Mode mode = Mode::Real16;
    for (const Mode other : {Mode::Real16, Mode::Protected32, Mode::Long64})
        if (std::string(arguments[1]) == name(other)) mode = other;
    const std::string scratch = rom::scratch(fmt::format("differential-{}", name(mode)));
    const Batch batch{mode, std::strtoull(arguments[2], nullptr, 0), std::strtoull(arguments[3], nullptr, 0),
                      kAllInstructions};
    const Outcomes outcomes = run(batch, scratch);
    fmt::print("{} programs here, {} in Bochs\n", outcomes.ours.size(), outcomes.bochs.size());
    for (const auto& [seed, ours] : outcomes.ours) {
        const auto bochs = outcomes.bochs.find(seed);
        if (bochs == outcomes.bochs.end() || difference(ours, bochs->second).empty()) continue;
        const Mismatch found = minimise(mode, seed, scratch);
        fmt::print("seed {} of {}, instructions {:#x}: {}\n{}", seed, name(mode), found.kept,
                   found.difference, found.disassembly);
        std::fflush(stdout);
    }
}
