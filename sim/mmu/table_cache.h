// SPDX-License-Identifier: MIT
// Where the guest's paging structures are in host-physical memory: guest-physical mappings, which a processor
// may cache. SDM Vol. 3C "Information That May Be Cached" (29.4.2).
#pragma once

#include <array>
#include <cstdint>

#include "sim/mmu/nested_walk.h"

namespace vtless::sim {

// Pages whose walk, as wanted of tables, was as usual. Each flush of the Mmu empties it, INVEPT or not, and a
// fault of EPT drops its page. What it holds depends on walks alone, which depend on the guest alone.
class TableCache {
  public:
    // Nothing if the page is not known. generation is Mmu::generation().
    NestedPage find(Gpa gpa, uint64_t generation) const {
        const Entry& entry = entries_[slot(gpa)];
        if (entry.gpa != gpa.page() || entry.generation != generation) return {};
        NestedPage page = entry.page;
        page.hpa = page.hpa + gpa.page_offset();
        return page;
    }
    void erase(Gpa gpa) {
        Entry& entry = entries_[slot(gpa)];
        if (entry.gpa == gpa.page()) entry.generation = 0;
    }
    void insert(Gpa gpa, const NestedPage& page, uint64_t generation) {
        Entry& entry = entries_[slot(gpa)];
        entry = {gpa.page(), page, generation};
        entry.page.hpa = page.hpa.page();
    }

  private:
    struct Entry {
        Gpa gpa;
        NestedPage page;
        uint64_t generation = 0;  // the Mmu's first is 1
    };
    static size_t slot(Gpa gpa) { return (gpa.value() >> 12) % kEntries; }

    static constexpr size_t kEntries = 64;
    std::array<Entry, kEntries> entries_{};
};

}  // namespace vtless::sim
