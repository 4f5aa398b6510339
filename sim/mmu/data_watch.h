// SPDX-License-Identifier: MIT
// Bytes whose use by the guest's instructions is noted: data breakpoints.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "isa/addr.h"

namespace vtless::sim {

struct WatchedBytes {
    uint64_t first = 0;  // linear; the bytes lie on one page
    uint8_t count = 0;
    bool reads = false;  // loads as well as stores

    friend constexpr bool operator==(const WatchedBytes&, const WatchedBytes&) = default;
};

// Accesses come by linear address from instructions that software carries out, and by host-physical address
// from Unicorn. The latter tell for which linear page they were made only because a watched page is never in
// Unicorn's TLB when an instruction begins: opened() is called whenever one gets in.
class DataWatch {
  public:
    static constexpr size_t kMax = 4;

    // Up to kMax; those with a count of 0 are not watched, but keep their place in hits(). False if they are
    // the same as before.
    bool set(std::span<const WatchedBytes> bytes);
    bool any() const { return any_; }
    // Which have been used since clear(): bit n is for bytes[n].
    uint8_t hits() const { return hits_; }
    void clear_hits() {
        hits_ = 0;
        stored_beyond_ = 0;
    }

    bool is_watched(uint64_t linear_page) const;
    // Unicorn has the page now, at this host-physical address, until close().
    void opened(uint64_t linear_page, uint64_t physical_page);
    void close();

    void note_linear(Gva first, size_t count, bool store);
    void note_physical(uint64_t first, size_t count, bool store);

  private:
    static constexpr uint64_t kClosed = ~uint64_t{0};
    struct Entry {
        WatchedBytes bytes;
        uint64_t physical_page = kClosed;
    };

    void note(size_t index, bool store) {
        if (store || entries_[index].bytes.reads) hits_ = static_cast<uint8_t>(hits_ | 1u << index);
    }

    std::array<Entry, kMax> entries_{};
    bool any_ = false;
    uint8_t hits_ = 0;
    uint64_t stored_beyond_ = 0;  // bytes of a store behind the end of its first page
};

}  // namespace vtless::sim
