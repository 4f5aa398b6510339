// SPDX-License-Identifier: MIT
// What came of a program: one line of the ROM's output.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace vtless::differential {

struct Outcome {
    uint64_t exits = 0;
    uint64_t digest = 0;            // of all exits
    std::array<uint64_t, 3> end{};  // the last one: its kind, and what it says
    uint64_t rip = 0;
    uint64_t rflags = 0;
    std::array<uint64_t, 16> gprs{};
    std::array<uint64_t, 3> memory{};  // hashes: stack, data, page tables

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// By seed; lines that are none are left out.
std::map<uint64_t, Outcome> parse_outcomes(const std::string& text);

// The first difference, in words: "RAX 1, Bochs 2"; empty if there is none. RFLAGS.RF does not count where
// the program ended with an exception: Bochs does not save it.
std::string difference(const Outcome& ours, const Outcome& bochs);
// The same but for `exits` and `digest`.
std::string difference_from_case(const Outcome& ours, const Outcome& expected, const char* who = "expected");

}  // namespace vtless::differential
