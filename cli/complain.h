// SPDX-License-Identifier: MIT
// How a command ends whose input is not usable.
#pragma once

#include <fmt/format.h>

#include <string>

#include "cli/commands.h"

namespace vtless::cli {

inline int complain(const std::string& message) {
    fmt::print(stderr, "vtless: {}\n", message);
    return kBadInput;
}

}  // namespace vtless::cli
