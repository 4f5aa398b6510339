// SPDX-License-Identifier: MIT
// The guest's RAM and ROM as the VMM sees them: guest-physical regions and where their bytes are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "isa/addr.h"

namespace vtless::vmm {

struct MemoryRegion {
    Gpa first;
    uint64_t size = 0;  // bytes
    Hpa host;
    uint8_t* bytes = nullptr;  // contiguous; must outlive the GuestMemory
    bool writable = true;      // by the guest; the VMM writes ROM too
};

class GuestMemory {
  public:
    // Called before the VMM writes, with the host-physical range.
    using WriteListener = std::function<void(Hpa first, uint64_t bytes)>;

    // False if the region is empty, wraps or overlaps one that is there.
    [[nodiscard]] bool add(const MemoryRegion& region);
    void set_write_listener(WriteListener listener) { listener_ = std::move(listener); }

    // Regions in the order of their addresses.
    std::span<const MemoryRegion> regions() const { return regions_; }
    const MemoryRegion* find(Gpa address) const;

    // All or nothing: false if any byte is outside memory. A range may cross adjacent regions.
    [[nodiscard]] bool read(Gpa address, std::span<uint8_t> out) const;
    [[nodiscard]] bool write(Gpa address, std::span<const uint8_t> bytes);
    [[nodiscard]] bool write_zeros(Gpa address, uint64_t size);
    // How many of [address, address + size) are memory, counted from its start.
    uint64_t available(Gpa address, uint64_t size) const;

  private:
    std::vector<MemoryRegion> regions_;
    WriteListener listener_;
};

// What a PC with this much memory looks like. Memory beyond 3 GiB appears at 4 GiB.
struct MemoryLayout {
    static constexpr uint64_t kLowLimit = 3ull << 30;
    static constexpr uint64_t kFourGiB = 4ull << 30;
    static constexpr uint64_t kVideoStart = 0xa0000;  // not RAM up to
    static constexpr uint64_t kVideoEnd = 0xc0000;
    static constexpr uint64_t kOneMiB = 0x100000;

    explicit MemoryLayout(uint64_t memory)
        : below_4g(memory < kLowLimit ? memory : kLowLimit), above_4g(memory - below_4g) {}

    uint64_t below_4g;
    uint64_t above_4g;
};

}  // namespace vtless::vmm
