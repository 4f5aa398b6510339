// SPDX-License-Identifier: MIT
// Where things lie in the guests' memory.
#pragma once

#include <cstdint>

namespace vtless::bench {

struct GuestLayout {
    static constexpr uint64_t kMemory = 64u << 20;
    static constexpr uint64_t kPageTables = 0x10000;  // identity; 4-KiB pages of user and supervisor
    static constexpr uint64_t kGdt = 0x40000;
    static constexpr uint64_t kIdt = 0x41000;
    static constexpr uint64_t kTss = 0x42000;
    static constexpr uint64_t kCode = 0x100000;
    static constexpr uint64_t kStack = 0x200000;
    static constexpr uint64_t kData = 0x300000;  // 1 MiB and some
    static constexpr uint64_t kMissingPage = 0x600000;
};

}  // namespace vtless::bench
