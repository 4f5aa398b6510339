// SPDX-License-Identifier: MIT
// The ROM with its parameters, run here and in Bochs; and what is left of a program whose outcomes differ.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/differential/outcome.h"
#include "tests/differential/program.h"

namespace vtless::differential {

struct Batch {
    Mode mode = Mode::Real16;
    uint64_t first_seed = 0;
    uint64_t count = 1;
    uint64_t kept = kAllInstructions;  // see Program
    std::vector<uint8_t> code{};       // not empty: these instructions instead
};

struct Outcomes {
    std::map<uint64_t, Outcome> ours, bochs;
};

// `scratch`: a folder of this run's.
std::map<uint64_t, Outcome> run_here(const Batch& batch, const std::string& scratch);
Outcomes run(const Batch& batch, const std::string& scratch);

struct Mismatch {
    Mode mode = Mode::Real16;
    uint64_t seed = 0;
    uint64_t kept = 0;       // what it needs of the program
    std::string difference;  // of what is left
    Outcome bochs;           // how that ends in Bochs

    Program program() const { return {mode, seed, kept}; }
};

// Drops one instruction after the other as long as the outcomes differ.
Mismatch minimise(Mode mode, uint64_t seed, const std::string& scratch);

}  // namespace vtless::differential
