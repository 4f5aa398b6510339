// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "traces/trace_file.h"

namespace vtless::traces {

// What two backends made of the same guest.
struct Comparison {
    struct Count {
        uint64_t a = 0;
        uint64_t b = 0;
    };
    uint64_t same = 0;                       // exits that both have
    std::map<std::string, Count> tolerated;  // by rule: exits of each trace
    std::optional<std::string> difference;   // the first that no rule allows, told to a person
};

// Exit by exit: kind, fields and place; docs/traces.md has the rules by which they may differ. Registers,
// cycles and notes are not compared.
Comparison compare_backends(const Trace& a, const Trace& b);

// "timing.slice  A 3  B 0  ...", a line for each rule.
std::string describe_tolerated(const Comparison& comparison);

}  // namespace vtless::traces
