// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vtless::traces {

// Where two traces first differ, told to a person: the exits before it, both versions of it, and the fields
// that differ. Nothing if they are the same.
std::optional<std::string> first_difference(const std::vector<std::string>& a,
                                            const std::vector<std::string>& b);

}  // namespace vtless::traces
