// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "traces/trace_file.h"

namespace vtless::traces {

// Where the exits of two traces first differ, told to a person: the exits before it, both versions of it, and
// the fields that differ. Nothing if they are the same. Notes are shown with their exits, and not compared.
std::optional<std::string> first_difference(const Trace& a, const Trace& b);

}  // namespace vtless::traces
