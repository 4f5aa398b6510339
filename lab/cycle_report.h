// SPDX-License-Identifier: MIT
// What a sim::CycleProfile has found, as text for people and for other programs. But for what is said to be
// of the host, all is the same to the byte in every run. docs/attribution.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lab/guest_symbols.h"
#include "sim/profile/cycle_profile.h"

namespace vtless::lab {

// What ran in an address space under one name, or, without a name, on one page of 4 KiB.
struct GuestRange {
    uint64_t space = sim::CodePlace::kNoPaging;
    bool named = false;
    std::string name;  // the page's addresses, if it has no other
    uint64_t ticks = 0;
};

// By address space, then by name; pages by address, before the names.
std::vector<GuestRange> guest_ranges(const sim::CycleProfile& profile, const GuestSymbols& symbols);

// Cycles, rounded down, and the host's time at the end.
std::string cycle_table(const sim::CycleProfile& profile, const GuestSymbols& symbols);
// For flame graphs: a line for each stack of frames, outermost first, ended by its ticks.
std::string folded_stacks(const sim::CycleProfile& profile, const GuestSymbols& symbols);
// As Google Benchmark writes its results: counters are cycles and exits, real_time is the host's, and
// cpu_time has a nanosecond for each cycle. `vtless bench compare` reads it.
std::string benchmark_json(const sim::CycleProfile& profile, const GuestSymbols& symbols);

}  // namespace vtless::lab
