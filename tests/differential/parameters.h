// SPDX-License-Identifier: MIT
// What the ROM is to run: the first words of its file.
#pragma once

#include <cstdint>

namespace vtless::differential {

struct Parameters {
    uint64_t mode;
    uint64_t first_seed;
    uint64_t count;
    uint64_t kept;
};

}  // namespace vtless::differential
