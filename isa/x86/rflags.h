// SPDX-License-Identifier: MIT
// RFLAGS. SDM Vol. 3A "System Flags and Fields in the EFLAGS Register" (2.3).
#pragma once

#include <cstdint>

#include "isa/bits.h"

namespace vtless::x86::rflags {

inline constexpr uint64_t CF = bit(0);
inline constexpr uint64_t PF = bit(2);
inline constexpr uint64_t AF = bit(4);
inline constexpr uint64_t ZF = bit(6);
inline constexpr uint64_t SF = bit(7);
inline constexpr uint64_t TF = bit(8);
inline constexpr uint64_t IF = bit(9);
inline constexpr uint64_t DF = bit(10);
inline constexpr uint64_t OF = bit(11);
inline constexpr uint64_t IOPL = bit_range(13, 12);
inline constexpr uint64_t NT = bit(14);
inline constexpr uint64_t RF = bit(16);
inline constexpr uint64_t VM = bit(17);
inline constexpr uint64_t AC = bit(18);
inline constexpr uint64_t VIF = bit(19);
inline constexpr uint64_t VIP = bit(20);
inline constexpr uint64_t ID = bit(21);

inline constexpr uint64_t kFixed1 = bit(1);
inline constexpr uint64_t kReserved = bit_range(63, 22) | bit(15) | bit(5) | bit(3);  // read as 0
inline constexpr uint64_t kArithmetic = CF | PF | AF | ZF | SF | OF;

constexpr unsigned iopl(uint64_t raw) { return Field<13, 12, unsigned>::get(raw); }

}  // namespace vtless::x86::rflags
