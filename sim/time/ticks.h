// SPDX-License-Identifier: MIT
// The unit in which simulated time is added up: most instructions take a part of a cycle.
#pragma once

#include <cstdint>

namespace vtless::sim {

inline constexpr uint32_t kTicksPerCycle = 16;

}  // namespace vtless::sim
