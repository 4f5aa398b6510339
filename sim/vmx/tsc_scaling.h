// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Time-Stamp Counter Offset and Multiplier" (25.6.5).
#pragma once

#include <cstdint>

namespace vtless::sim {

// The multiplier has 48 fraction bits; what the product has beyond 64 bits is lost.
constexpr uint64_t scaled_tsc(uint64_t tsc, uint64_t multiplier) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>(static_cast<Wide>(tsc) * multiplier >> 48);
}

}  // namespace vtless::sim
