// SPDX-License-Identifier: MIT
// PCMPxSTRx as the SDM defines them, step by step and with nothing left out: a matrix of all comparisons, its
// overrides, and what is summed up of it. SDM Vol. 2B tables 4-1 to 4-8.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "isa/x86/rflags.h"
#include "sim/cpu/text_comparison.h"

namespace vtless::sim::test {

struct TableResult {
    uint32_t matches = 0;
    uint64_t flags = 0;
};

inline int table_element(const TextBits& bits, unsigned index, uint8_t control) {
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), bits.data(), 16);
    const size_t at = size_t{2} * index;
    switch (control & 3) {
        case 0:
            return bytes[index];
        case 1:
            return bytes[at] + 256 * bytes[at + 1];
        case 2:
            return static_cast<int8_t>(bytes[index]);
        default:
            return static_cast<int16_t>(bytes[at] + 256 * bytes[at + 1]);
    }
}

// What an element comparison counts as; `mode` is bits 3:2 of the control byte.
inline bool table_bool(const Text& reg, const Text& regmem, unsigned i, unsigned j, uint8_t control) {
    const unsigned mode = control >> 2 & 3;
    const bool valid1 = i < reg.length;
    const bool valid2 = j < regmem.length;
    if (!valid1 && !valid2) return mode >= 2;
    if (!valid1) return mode == 3;
    if (!valid2) return false;
    const int a = table_element(reg.bits, i, control);
    const int b = table_element(regmem.bits, j, control);
    if (mode != 1) return a == b;
    return i % 2 == 0 ? b >= a : b <= a;
}

inline TableResult by_the_table(const Text& reg, const Text& regmem, uint8_t control) {
    const unsigned upper = (control & 1) != 0 ? 7 : 15;
    uint32_t res1 = 0;
    for (unsigned j = 0; j <= upper; ++j) {
        bool bit = false;
        switch (control >> 2 & 3) {
            case 0:
                for (unsigned i = 0; i <= upper; ++i) bit |= table_bool(reg, regmem, i, j, control);
                break;
            case 1:
                for (unsigned i = 0; i <= upper; i += 2)
                    bit |=
                        table_bool(reg, regmem, i, j, control) && table_bool(reg, regmem, i + 1, j, control);
                break;
            case 2:
                bit = table_bool(reg, regmem, j, j, control);
                break;
            default:
                bit = true;
                for (unsigned i = 0; i <= upper - j; ++i) bit &= table_bool(reg, regmem, i, i + j, control);
        }
        res1 |= uint32_t{bit} << j;
    }
    TableResult result;
    for (unsigned j = 0; j <= upper; ++j) {
        const bool flip = (control >> 4 & 3) == 1 || ((control >> 4 & 3) == 3 && j < regmem.length);
        result.matches |= ((res1 >> j & 1) ^ uint32_t{flip}) << j;
    }
    namespace rf = x86::rflags;
    result.flags = (result.matches != 0 ? rf::CF : 0) | (regmem.length <= upper ? rf::ZF : 0) |
                   (reg.length <= upper ? rf::SF : 0) | ((result.matches & 1) != 0 ? rf::OF : 0);
    return result;
}

// Texts over few letters, so that they match often; some with zeros and with negative elements.
inline std::vector<TextBits> some_texts(unsigned count) {
    std::mt19937_64 random(20);
    static constexpr uint8_t kLetters[] = {'a', 'b', 'c', 0x80, 0xff, 0, 1, 'a'};
    std::vector<TextBits> texts(count);
    for (unsigned n = 0; n < count; ++n) {
        std::array<uint8_t, 16> bytes;
        const unsigned letters = n % 3 == 0 ? 2 : n % 3 == 1 ? 5 : 8;
        for (uint8_t& byte : bytes) byte = kLetters[random() % letters];
        if (n % 4 == 3)  // words that are equal in both bytes
            for (unsigned i = 0; i < 16; i += 2) bytes[i + 1] = bytes[i];
        std::memcpy(texts[n].data(), bytes.data(), 16);
    }
    return texts;
}

}  // namespace vtless::sim::test
