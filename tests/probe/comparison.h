// SPDX-License-Identifier: MIT
// Two processors' answers, row by row. A row in which they differ is explained by a capability that only one
// of them has, or by an entry of the list of known disagreements; or it is an error.
#pragma once

#include <cstdint>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "tests/probe/rows.h"

namespace vtless::probe {

// One entry of disagreements.json. Regular expressions match a whole key or a whole outcome, as
// Outcome::text() writes it.
struct Disagreement {
    std::string name;
    std::string verdict;  // who is right by the SDM: "ours", "bochs", "both", or "capability"
    std::regex rows;      // keys
    std::regex ours;      // any, if not given
    std::regex bochs;
    // Only these bits of these parts are settled; if empty, all of the row is.
    std::map<std::string, uint64_t> values;
    unsigned used = 0;
};

// Throws with the entry's name when one is malformed.
std::vector<Disagreement> read_disagreements(const std::string& json);

struct Comparison {
    unsigned rows = 0;
    unsigned same = 0;
    unsigned capability = 0;                  // by rule: a field or control that one of the two lacks
    std::map<std::string, unsigned> settled;  // by name of the disagreement
    std::vector<std::string> unexplained;     // three lines each
};

Comparison compare(const Rows& ours, const Rows& bochs, std::vector<Disagreement>& known);

// A table of the counts.
std::string report(const Comparison& comparison, const std::vector<Disagreement>& known);

}  // namespace vtless::probe
