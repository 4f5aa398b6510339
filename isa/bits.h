// SPDX-License-Identifier: MIT
// Bit ranges written as the manual prints them: Field<6, 5> is bits 6:5.
#pragma once

#include <cstdint>
#include <type_traits>

namespace vtless {

// n must be below 64.
constexpr uint64_t bit(unsigned n) { return uint64_t{1} << n; }

// Bits hi:lo set, both inclusive, 63 >= hi >= lo.
constexpr uint64_t bit_range(unsigned hi, unsigned lo) {
    return (~uint64_t{0} >> (63 - hi)) & (~uint64_t{0} << lo);
}

// The value of a register's or operand's low bytes, 1 to 8.
constexpr uint64_t low_bytes(uint64_t value, unsigned bytes) { return value & bit_range(bytes * 8 - 1, 0); }

// Bits Hi:Lo of a raw word (32 or 64 bits), seen as a T: an integer, bool or enumeration.
template <unsigned Hi, unsigned Lo, class T = uint64_t>
struct Field {
    static_assert(Hi < 64 && Lo <= Hi);
    static constexpr uint64_t kMask = bit_range(Hi, Lo);

    static constexpr T get(uint64_t raw) { return static_cast<T>((raw & kMask) >> Lo); }

    // Returns raw with the field replaced; bits of value that do not fit are dropped.
    template <class Raw>
    static constexpr Raw set(Raw raw, std::type_identity_t<T> value) {
        static_assert(std::is_unsigned_v<Raw> && Hi < sizeof(Raw) * 8);
        return static_cast<Raw>((raw & ~kMask) | ((static_cast<uint64_t>(value) << Lo) & kMask));
    }
};

// The low `bits` (1 to 64) of value, as a signed number, widened to 64 bits.
constexpr uint64_t sign_extend(uint64_t value, unsigned bits) {
    const uint64_t sign = bit(bits - 1);
    return ((value & bit_range(bits - 1, 0)) ^ sign) - sign;
}

// Whether a linear address of `width` bits (48 or 57) has all its upper bits equal.
constexpr bool is_canonical(uint64_t va, unsigned width = 48) { return sign_extend(va, width) == va; }

}  // namespace vtless
