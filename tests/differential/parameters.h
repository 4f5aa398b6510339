// SPDX-License-Identifier: MIT
// What the ROM is to run: the first bytes of its file.
#pragma once

#include <cstdint>

namespace vtless::differential {

struct Parameters {
    uint64_t mode;
    uint64_t first_seed;
    uint64_t count;
    uint64_t kept;
    // Not 0: these instructions, in the place of random ones.
    static constexpr uint64_t kMostCode = 512;
    uint64_t code_bytes;
    uint8_t code[kMostCode];
};

}  // namespace vtless::differential
