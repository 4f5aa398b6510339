// SPDX-License-Identifier: MIT
// Where a program, its stack and its data are: the same linear and guest-physical addresses in each mode.
#pragma once

#include <cstdint>

namespace vtless::differential::layout {

inline constexpr uint64_t kCode = 0x1000;
inline constexpr uint64_t kStackEnd = 0x6800;
inline constexpr uint64_t kVectors = 0x7000;  // where XMM0 to XMM7 are left
inline constexpr uint64_t kData = 0x8000;
inline constexpr uint64_t kDataEnd = 0xa000;  // not mapped from here on, where there is paging
inline constexpr uint64_t kPageTables = 0x10000;
inline constexpr uint64_t kPageTablesEnd = 0x14000;
inline constexpr uint8_t kEndPort = 0xe0;  // an OUT ends the program

}  // namespace vtless::differential::layout
