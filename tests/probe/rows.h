// SPDX-License-Identifier: MIT
// The lines that the probe prints: a key, '|', and what happened.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vtless::probe {

// In the probe's order. `end` is the line that says that nothing is missing.
struct Rows {
    std::vector<std::string> keys;
    std::map<std::string, std::string> outcomes;
    bool complete = false;

    const std::string* find(const std::string& key) const;
};

Rows parse_rows(const std::string& text);

// An outcome in parts: what comes first ("X 12", "V 7"), and NAME=VALUE.
struct Outcome {
    std::string head;
    std::map<std::string, uint64_t> values;

    uint64_t get(const std::string& name) const;
    void clear(const std::string& name, uint64_t bits);
    std::string text() const;
};

// Without what the SDM leaves undefined for such an exit.
Outcome parse_outcome(const std::string& text);

// A processor profile (docs/profiles.md) of what the capability rows say.
std::string profile_of(const Rows& rows);

}  // namespace vtless::probe
