// SPDX-License-Identifier: MIT
// In what the exits of a guest may differ from one backend to another. docs/traces.md lists the rules.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/exit_line.h"
#include "traces/trace_file.h"

namespace vtless::traces {

// Rules are named "timing.halt", "kept.CPUID"...

// Exits that say when something happened, or what the other backend never shows: they are never compared.
std::optional<std::string> not_compared(const ExitLine& exit, const Trace& from, const Trace& other);

// Exits that may be in one trace alone.
std::optional<std::string> tolerated_alone(const ExitLine& exit, const Trace& from, const Trace& other);

inline constexpr std::string_view kSplitRule = "split";
inline constexpr std::string_view kBeforeRule = "registers.before";

// Whether kind and fields are the same, but for fields that one of the traces cannot have.
bool same_exit(const ExitLine& a, const Trace& of_a, const ExitLine& b, const Trace& of_b);

// Of the exits that begin at `first`, how many together are the one MMIO access `wide`; 0: they are not.
size_t parts_of(const ExitLine& wide, const std::vector<std::string>& exits, size_t first);

enum class Place { Same, Before, Different };
// Before: one backend shows the registers before the instruction is finished, at most one instruction apart.
Place same_place(const ExitLine& a, const ExitLine& b);

// What a rule is about, for people.
std::string_view explain_rule(std::string_view rule);

}  // namespace vtless::traces
