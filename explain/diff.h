// SPDX-License-Identifier: MIT
// The fields in which two VMCSs differ.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "explain/dump.h"

namespace vtless::explain {

struct Difference {
    x86::VmcsField field{};
    std::optional<uint64_t> before;  // none: that dump does not show the field
    std::optional<uint64_t> after;
};

// In ascending order of encoding.
std::vector<Difference> diff(const Dump& before, const Dump& after);

// One line for each, with the names of the bits that are set and cleared.
std::string text_diff(const std::vector<Difference>& differences);
// A list of objects: field, before and after (null: that dump does not show the field), changes.
std::string json_diff(const std::vector<Difference>& differences);

}  // namespace vtless::explain
