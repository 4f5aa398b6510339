// SPDX-License-Identifier: MIT
#include "tests/differential/runs.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "isa/check.h"
#include "tests/differential/parameters.h"
#include "tests/differential/program.h"
#include "tests/rom/run.h"

namespace vtless::differential {

namespace {

// Of the processor that Bochs is asked to be.
constexpr const char* kOptions = "--cpu haswell --memory 32M";

std::string write_rom(const Batch& batch, const std::string& scratch) {
    std::ostringstream original;
    original << std::ifstream(DIFFERENTIAL_ROM, std::ios::binary).rdbuf();
    std::string image = original.str();
    Parameters parameters{
        static_cast<uint64_t>(batch.mode), batch.first_seed, batch.count, batch.kept, batch.code.size(), {}};
    VTLESS_CHECK(batch.code.size() <= sizeof parameters.code);
    std::copy(batch.code.begin(), batch.code.end(), parameters.code);
    if (image.size() >= sizeof parameters) std::memcpy(image.data(), &parameters, sizeof parameters);
    std::string path = scratch + "/programs.rom";
    std::ofstream(path, std::ios::binary) << image;
    return path;
}

// Of one program; the outcome in Bochs is left in `bochs`.
std::string difference_of(const Batch& batch, const std::string& scratch, Outcome& bochs) {
    const Outcomes outcomes = run(batch, scratch);
    const auto ours = outcomes.ours.find(batch.first_seed);
    const auto theirs = outcomes.bochs.find(batch.first_seed);
    if (ours == outcomes.ours.end()) return "does not end";
    if (theirs == outcomes.bochs.end()) return "does not end in Bochs";
    bochs = theirs->second;
    return difference(ours->second, bochs);
}

}  // namespace

std::map<uint64_t, Outcome> run_here(const Batch& batch, const std::string& scratch) {
    return parse_outcomes(rom::run_here(write_rom(batch, scratch), "", scratch, kOptions));
}

Outcomes run(const Batch& batch, const std::string& scratch) {
    auto ours = run_here(batch, scratch);
    return {std::move(ours), parse_outcomes(rom::run_in_bochs(write_rom(batch, scratch), scratch))};
}

Mismatch minimise(Mode mode, uint64_t seed, const std::string& scratch) {
    Mismatch found{mode, seed, kAllInstructions, "", {}};
    found.difference = difference_of({mode, seed, 1, found.kept, {}}, scratch, found.bochs);
    const unsigned instructions = Program(mode, seed).instructions();
    for (unsigned i = 0; i < instructions && !found.difference.empty(); ++i) {
        const uint64_t fewer = found.kept & ~(uint64_t{1} << i);
        Outcome bochs;
        const std::string still = difference_of({mode, seed, 1, fewer, {}}, scratch, bochs);
        if (still.empty()) continue;
        found.kept = fewer;
        found.difference = still;
        found.bochs = bochs;
    }
    return found;
}

}  // namespace vtless::differential
