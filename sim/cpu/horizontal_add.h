// SPDX-License-Identifier: MIT
// PHADDW, PHADDD, PHADDSW, PHSUBW, PHSUBD, PHSUBSW of an XMM register with itself. SDM Vol. 2B.
#pragma once

#include <array>
#include <cstdint>

namespace vtless::sim {

// opcode: the last byte, 1 to 3 and 5 to 7.
std::array<uint64_t, 2> horizontal_add(const std::array<uint64_t, 2>& bits, unsigned opcode);

}  // namespace vtless::sim
