// SPDX-License-Identifier: MIT
// The engine's own host-physical pages and linear windows, which no guest can reach.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vtless::sim {

// Above every address that an EPT entry can hold (MAXPHYADDR is at most 40).
inline constexpr uint64_t kEnginePages = uint64_t{1} << 41;
// Linear addresses at which Unicorn may look up host-physical memory; not canonical, so no guest's.
inline constexpr uint64_t kAliasWindow = uint64_t{1} << 62;
// An address that the fill hook refuses before the guest runs, for the self-probe.
inline constexpr uint64_t kRefusedAddress = (uint64_t{1} << 42) + 0xabc;

struct alignas(4096) EnginePages {
    static constexpr size_t kTrampoline = 0;
    static constexpr size_t kProbeCode = 0x1000;
    static constexpr size_t kVmcb = 0x2000;
    static constexpr size_t kHostSave = 0x3000;
    static constexpr size_t kMsrMap = 0x4000;  // two pages
    static constexpr size_t kOnes = 0x6000;    // what reads of no memory give
    static constexpr size_t kSink = 0x7000;    // where stores to no memory go
    static constexpr size_t kSize = 0x8000;

    std::byte bytes[kSize];
};

}  // namespace vtless::sim
