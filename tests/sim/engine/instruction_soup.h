// SPDX-License-Identifier: MIT
// Random instructions that are mostly valid: arithmetic, flags, short branches, string instructions, stores
// to the code around them, and what the engine stops before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/engine/code_map.h"

namespace vtless::sim {

// `size` bytes of code for any address. A function of the seed.
std::string soup(uint64_t seed, CodeSize mode, size_t size);

}  // namespace vtless::sim
