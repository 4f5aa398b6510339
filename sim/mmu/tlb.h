// SPDX-License-Identifier: MIT
// The table of translations behind Mmu: unbounded, and never changed by anything but the guest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/bits.h"

namespace vtless::sim {

// One 4 KiB page: what both levels of translation say of it, not what one access may do.
struct TlbEntry {
    // Rights.
    static constexpr uint64_t kUser = bit(0);
    static constexpr uint64_t kWritable = bit(1);    // guest's R/W
    static constexpr uint64_t kExecutable = bit(2);  // guest's XD clear
    static constexpr uint64_t kDirty = bit(3);       // guest's dirty bit is set, or there is none
    static constexpr uint64_t kEptRead = bit(4);
    static constexpr uint64_t kEptWrite = bit(5);
    static constexpr uint64_t kEptExecute = bit(6);
    static constexpr uint64_t kEptDirty = bit(7);  // as kDirty
    static constexpr uint64_t kGlobal = bit(8);
    static constexpr uint64_t kBacked = bit(9);
    static constexpr uint64_t kPageMask = ~uint64_t{0xfff};
    static constexpr uint64_t kFree = 0;    // stamp of a slot never used
    static constexpr uint64_t kErased = 1;  // older than every floor

    uint64_t page = 0;        // linear page number
    uint64_t gpa_rights = 0;  // guest-physical page, rights in bits 11:0
    uint64_t hpa_shifts = 0;  // host-physical page, guest's page shift in bits 5:0, EPT's in bits 11:6
    uint64_t stamp = kFree;   // when it was filled; kFree, kErased

    bool has(uint64_t rights) const { return (gpa_rights & rights) == rights; }
    uint64_t gpa_page() const { return gpa_rights & kPageMask; }
    uint64_t hpa_page() const { return hpa_shifts & kPageMask; }
    unsigned guest_shift() const { return hpa_shifts & 0x3f; }
    unsigned ept_shift() const { return (hpa_shifts >> 6) & 0x3f; }
};

// An open hash table. A flush makes entries stale by time stamp; their slots are used again.
class Tlb {
  public:
    Tlb();

    // nullptr when the page has no valid entry.
    const TlbEntry* find(uint64_t page) const {
        for (size_t slot = hash(page);; slot = (slot + 1) & mask_) {
            const TlbEntry& entry = slots_[slot];
            if (entry.page == page && entry.stamp != TlbEntry::kFree) return valid(entry) ? &entry : nullptr;
            if (entry.stamp == TlbEntry::kFree) return nullptr;
        }
    }
    void insert(const TlbEntry& entry);

    void flush_all() { all_floor_ = non_global_floor_ = ++now_; }
    void flush_non_global() { non_global_floor_ = ++now_; }
    // Drops the page, and all pages of the large guest pages around it.
    void flush_page(uint64_t page);
    // Drops only what the page's own entry says; for a page that faulted. False if there is none.
    bool erase(uint64_t page);

  private:
    size_t hash(uint64_t page) const { return (page * 0x9e3779b97f4a7c15) >> shift_; }
    bool valid(const TlbEntry& entry) const {
        return entry.stamp >= (entry.has(TlbEntry::kGlobal) ? all_floor_ : non_global_floor_);
    }
    void store(const TlbEntry& entry);
    void rebuild();
    void flush_large(uint64_t page, unsigned guest_shift);
    // A large guest page has an entry of its own, so that INVLPG finds out in one look that there is none.
    static uint64_t large_marker(uint64_t page, unsigned guest_shift) {
        return (page >> (guest_shift - 12)) | uint64_t{guest_shift} << 56;
    }

    static constexpr unsigned kFirstBits = 12;

    std::vector<TlbEntry> slots_;
    size_t mask_;
    unsigned shift_;   // of the hash
    size_t used_ = 0;  // slots that are not free, stale ones included
    uint64_t now_ = 2;
    uint64_t all_floor_ = 2;
    uint64_t non_global_floor_ = 2;
};

}  // namespace vtless::sim
