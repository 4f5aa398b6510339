// SPDX-License-Identifier: MIT
#include "sim/cpu/horizontal_add.h"

#include <algorithm>

namespace vtless::sim {

namespace {

constexpr unsigned kSubtracts = 4;  // bit of the opcode

int32_t word(uint64_t bits, unsigned index) { return static_cast<int16_t>(bits >> 16 * index); }

uint64_t of_words(int32_t first, int32_t second, unsigned opcode) {
    int32_t result = (opcode & kSubtracts) != 0 ? first - second : first + second;
    if ((opcode & 3) == 3) result = std::clamp<int32_t>(result, INT16_MIN, INT16_MAX);
    return static_cast<uint16_t>(result);
}

uint64_t of_dwords(uint64_t pair, unsigned opcode) {
    const uint64_t first = pair & 0xffffffff;
    const uint64_t second = pair >> 32;
    return ((opcode & kSubtracts) != 0 ? first - second : first + second) & 0xffffffff;
}

}  // namespace

std::array<uint64_t, 2> horizontal_add(const std::array<uint64_t, 2>& bits, unsigned opcode) {
    uint64_t half = 0;
    if ((opcode & 3) == 2) {
        half = of_dwords(bits[0], opcode) | of_dwords(bits[1], opcode) << 32;
    } else {
        for (unsigned i = 0; i < 4; ++i) {
            const uint64_t source = bits[i / 2];
            const unsigned at = 2 * (i % 2);
            half |= of_words(word(source, at), word(source, at + 1), opcode) << 16 * i;
        }
    }
    return {half, half};
}

}  // namespace vtless::sim
