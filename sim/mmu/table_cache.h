// SPDX-License-Identifier: MIT
// Where the guest's paging structures are in host-physical memory: guest-physical mappings, which a processor
// may cache. SDM Vol. 3C "Information That May Be Cached" (29.4.2).
#pragma once

#include <array>
#include <cstdint>

#include "isa/addr.h"

namespace vtless::sim {

// Pages of RAM whose walk, as wanted of tables, was as usual. Each flush of the Mmu empties it, INVEPT or
// not, and a fault of EPT drops its page. What it holds depends on walks alone, which depend on the guest
// alone.
class TableCache {
  public:
    struct Entry {
        Gpa page;
        uint64_t generation = 0;         // Mmu::generation() when it was found, whose first is 1
        const uint8_t* bytes = nullptr;  // of the page
        uint64_t references = 0;         // EPT entries that the walk has read

        bool is_of(Gpa gpa, uint64_t now) const { return page == gpa.page() && generation == now; }
    };

    // The only place where the page can be.
    Entry& slot(Gpa gpa) { return entries_[(gpa.value() >> 12) % kEntries]; }
    void erase(Gpa gpa) {
        Entry& entry = slot(gpa);
        if (entry.page == gpa.page()) entry.generation = 0;
    }

  private:
    static constexpr size_t kEntries = 64;
    std::array<Entry, kEntries> entries_{};
};

}  // namespace vtless::sim
