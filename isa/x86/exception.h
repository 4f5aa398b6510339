// SPDX-License-Identifier: MIT
// Exception vectors. SDM Vol. 3A "Exception and Interrupt Reference" (6.15), "Interrupt 8" (double-fault
// classes).
#pragma once

#include <cstdint>

#include "isa/bits.h"

namespace vtless::x86 {

enum class Vector : uint8_t {
    DE = 0,
    DB = 1,
    NMI = 2,
    BP = 3,
    OF = 4,
    BR = 5,
    UD = 6,
    NM = 7,
    DF = 8,
    CSO = 9,
    TS = 10,
    NP = 11,
    SS = 12,
    GP = 13,
    PF = 14,
    MF = 16,
    AC = 17,
    MC = 18,
    XM = 19,
    VE = 20,
    CP = 21,
};

namespace exception_detail {
constexpr uint32_t vector_bit(Vector vector) { return uint32_t{1} << static_cast<unsigned>(vector); }
constexpr bool in(uint32_t set, Vector vector) {
    return static_cast<unsigned>(vector) < 32 && (set & vector_bit(vector)) != 0;
}
}  // namespace exception_detail

// Whether delivery outside real mode pushes an error code.
constexpr bool has_error_code(Vector vector) {
    using namespace exception_detail;
    return in(vector_bit(Vector::DF) | vector_bit(Vector::TS) | vector_bit(Vector::NP) |
                  vector_bit(Vector::SS) | vector_bit(Vector::GP) | vector_bit(Vector::PF) |
                  vector_bit(Vector::AC) | vector_bit(Vector::CP),
              vector);
}

// A second contributory exception on top of a first one, or of a page fault, makes a double fault.
constexpr bool is_contributory(Vector vector) {
    using namespace exception_detail;
    return in(vector_bit(Vector::DE) | vector_bit(Vector::TS) | vector_bit(Vector::NP) |
                  vector_bit(Vector::SS) | vector_bit(Vector::GP) | vector_bit(Vector::CP),
              vector);
}

// Whether `second`, raised while `first` is being delivered, becomes #DF instead of following it.
constexpr bool makes_double_fault(Vector first, Vector second) {
    const bool first_is_page_fault = first == Vector::PF || first == Vector::VE;
    const bool second_is_page_fault = second == Vector::PF || second == Vector::VE;
    if (first_is_page_fault) return second_is_page_fault || is_contributory(second);
    return is_contributory(first) && is_contributory(second);
}

namespace page_fault {
inline constexpr uint32_t P = 1u << 0;  // protection violation, not a missing page
inline constexpr uint32_t WR = 1u << 1;
inline constexpr uint32_t US = 1u << 2;
inline constexpr uint32_t RSVD = 1u << 3;
inline constexpr uint32_t ID = 1u << 4;
inline constexpr uint32_t PK = 1u << 5;
inline constexpr uint32_t SS = 1u << 6;
inline constexpr uint32_t HLAT = 1u << 7;
inline constexpr uint32_t SGX = 1u << 15;
}  // namespace page_fault

namespace selector_error {
inline constexpr uint32_t EXT = 1u << 0;
inline constexpr uint32_t IDT = 1u << 1;
inline constexpr uint32_t TI = 1u << 2;
}  // namespace selector_error

constexpr const char* name(Vector vector) {
    constexpr const char* kNames[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                      "#DF", "CSO", "#TS", "#NP", "#SS", "#GP", "#PF", "vector 15",
                                      "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
    const auto index = static_cast<unsigned>(vector);
    return index < sizeof(kNames) / sizeof(kNames[0]) ? kNames[index] : "vector";
}

}  // namespace vtless::x86
