// SPDX-License-Identifier: MIT
// Where things are in a guest's memory. guests/guest.inc and guests/guest.ld know the same numbers.
#pragma once

#include <cstdint>

namespace vtless::conformance::layout {

inline constexpr uint64_t kRamBytes = 4 << 20;
inline constexpr uint64_t kSmallPages =
    2 << 20;  // below: 4-KiB pages in EPT and in the guest; above: one of 2 MiB
inline constexpr uint64_t kDeviceBase = 0x10000000;  // MMIO; no EPT entry

inline constexpr uint64_t kTopTable = 0x1000;  // PML4, PDPT of PAE, or page directory of 32-bit paging
inline constexpr uint64_t kPdpt = 0x2000;
inline constexpr uint64_t kDirectory = 0x3000;
inline constexpr uint64_t kPageTable = 0x4000;
inline constexpr uint64_t kGdt = 0x5000;
inline constexpr uint64_t kIdt = 0x6000;
inline constexpr uint64_t kTss = 0x7000;
inline constexpr uint64_t kImage = 0x8000;
inline constexpr uint64_t kStack = 0xfff0;  // its page is 0xf000
inline constexpr uint64_t kInnerStack = 0x11000;
inline constexpr uint64_t kUserStack = 0x13000;
inline constexpr uint64_t kIst1 = 0x15000;

// User pages: the image's .user section, the user stack, and 64 KiB for tests.
constexpr bool is_user_page(uint64_t address) {
    return (address >= 0xc000 && address < 0xe000) || (address >= 0x12000 && address < 0x13000) ||
           (address >= 0x30000 && address < 0x40000);
}

inline constexpr uint16_t kCode64 = 0x08;
inline constexpr uint16_t kData = 0x10;
inline constexpr uint16_t kUserCode32 = 0x1b;
inline constexpr uint16_t kUserData = 0x23;
inline constexpr uint16_t kUserCode64 = 0x2b;
inline constexpr uint16_t kCode32 = 0x38;
inline constexpr uint16_t kCode16 = 0x40;
inline constexpr uint16_t kData16 = 0x48;
inline constexpr uint16_t kTssSelector = 0x50;
inline constexpr uint16_t kOtherTss = 0x60;

inline constexpr uint16_t kEndPort = 0xe0;

}  // namespace vtless::conformance::layout
