// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace vtless::sim {

// Of the Unicorn library that is loaded: "2.1.4".
std::string unicorn_version();

}  // namespace vtless::sim
