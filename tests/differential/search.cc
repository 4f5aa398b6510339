// SPDX-License-Identifier: MIT
// Looks for programs that do not end alike here and in Bochs, and says what is left of each.
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/differential/program.h"
#include "tests/differential/runs.h"
#include "tests/rom/run.h"

namespace {

using namespace vtless;
using namespace vtless::differential;

std::optional<Mode> mode_named(const std::string& wanted) {
    for (const Mode mode : {Mode::Real16, Mode::Protected32, Mode::Long64})
        if (wanted == name(mode)) return mode;
    return std::nullopt;
}

std::optional<uint64_t> number(const char* text) {
    char* end = nullptr;
    errno = 0;
    const uint64_t value = std::strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == 0 && *text != '-' ? std::optional(value) : std::nullopt;
}

}  // namespace

// Status: 0 all end alike, 1 some do not, 2 bad usage or no Bochs.
int main(int count, char** arguments) {
    const auto mode = count == 4 ? mode_named(arguments[1]) : std::nullopt;
    const auto first_seed = count == 4 ? number(arguments[2]) : std::nullopt;
    const auto programs = count == 4 ? number(arguments[3]) : std::nullopt;
    if (!mode || !first_seed || !programs) {
        fmt::print(stderr, "usage: differential_search real|protected|long FIRST-SEED COUNT\n");
        return 2;
    }
    if (const std::string reason = rom::why_no_bochs(); !reason.empty()) {
        fmt::print(stderr, "differential_search: {}\n", reason);
        return 2;
    }
    const std::string scratch = rom::scratch(fmt::format("differential-{}", name(*mode)));
    const Outcomes outcomes = run({*mode, *first_seed, *programs, kAllInstructions}, scratch);
    fmt::print("{} programs here, {} in Bochs\n", outcomes.ours.size(), outcomes.bochs.size());
    bool alike = outcomes.ours.size() == *programs && outcomes.bochs.size() == *programs;
    for (const auto& [seed, ours] : outcomes.ours) {
        const auto bochs = outcomes.bochs.find(seed);
        if (bochs == outcomes.bochs.end() || difference(ours, bochs->second).empty()) continue;
        alike = false;
        const Mismatch found = minimise(*mode, seed, scratch);
        fmt::print("seed {} of {}, instructions {:#x}: {}\n{}", seed, name(*mode), found.kept,
                   found.difference, found.disassembly);
        std::fflush(stdout);
    }
    return alike ? 0 : 1;
}
