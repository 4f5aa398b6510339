// SPDX-License-Identifier: MIT
// The status flags that arithmetic leaves. SDM Vol. 1 "Status Flags" (3.4.3.1).
#pragma once

#include <bit>
#include <cstdint>

#include "isa/x86/rflags.h"

namespace vtless::x86 {

// Each zero-extended from `bits` (8, 16, 32 or 64).
struct ArithmeticOperands {
    uint64_t destination, source, carry, result;
    unsigned bits;
    constexpr bool top(uint64_t value) const { return ((value >> (bits - 1)) & 1) != 0; }
};

// PF, ZF and SF.
constexpr uint64_t result_flags(uint64_t result, unsigned bits) {
    using namespace rflags;
    const bool even = (std::popcount(result & 0xff) & 1) == 0;
    return (even ? PF : 0) | (result == 0 ? ZF : 0) | (((result >> (bits - 1)) & 1) != 0 ? SF : 0);
}

// All six, of ADD and ADC.
constexpr uint64_t add_flags(const ArithmeticOperands& o) {
    using namespace rflags;
    const uint64_t carries = (o.destination & o.source) | ((o.destination | o.source) & ~o.result);
    const uint64_t overflow = (o.destination ^ o.result) & (o.source ^ o.result);
    return (o.top(carries) ? CF : 0) | ((carries & 8) != 0 ? AF : 0) | (o.top(overflow) ? OF : 0) |
           result_flags(o.result, o.bits);
}

// Of SUB, SBB, CMP; and of NEG, whose destination is 0 and whose source is the operand.
constexpr uint64_t subtract_flags(const ArithmeticOperands& o) {
    using namespace rflags;
    const uint64_t borrows = (~o.destination & o.source) | ((~o.destination | o.source) & o.result);
    const uint64_t overflow = (o.destination ^ o.source) & (o.destination ^ o.result);
    return (o.top(borrows) ? CF : 0) | ((borrows & 8) != 0 ? AF : 0) | (o.top(overflow) ? OF : 0) |
           result_flags(o.result, o.bits);
}

}  // namespace vtless::x86
