// SPDX-License-Identifier: MIT
// The walk that EPT refused last. A device's page is refused access by access: while every entry on the way
// holds what it held, the walk ends as it did, and need not be made.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sim/mmu/access.h"
#include "sim/mmu/table_cache.h"

namespace vtless::sim {

class Mmu;

class RefusedWalk {
  public:
    // Whether a walk would find what that one found. `generation` is Mmu's.
    bool repeats(Gva gva, Access access, uint64_t generation) const {
        return gva.page() == page_ && generation == generation_ && access == access_ &&
               std::all_of(reads_.begin(), reads_.begin() + count_,
                           [](const Read& read) { return read.now() == read.value; });
    }
    // As the walk leaves it.
    void fault(Gva gva, MmuFault& fault) const {
        fault = fault_;
        fault.gva = gva;
        fault.gpa += gva.page_offset();
    }
    uint64_t references() const { return references_; }

    // UsualWalk has ended in `fault`, an EPT violation by the access itself, after as many references. What
    // it read is looked up again the second time that a page is refused.
    void note(const Mmu& mmu, TableCache& tables, Access access, const MmuFault& fault, uint64_t references);

  private:
    struct Read {
        const uint8_t* at;
        uint64_t value;

        uint64_t now() const {
            uint64_t entry;
            std::memcpy(&entry, at, sizeof entry);
            return entry;
        }
    };

    bool read_guest_entries(const Mmu& mmu, TableCache& tables, Gva gva);
    bool read_ept_entries(const Mmu& mmu, Gpa gpa);
    uint64_t read(const uint8_t* at);

    Gva page_{~uint64_t{0}};
    uint64_t generation_ = 0;  // 0: nothing is known of the page
    Access access_;
    MmuFault fault_;  // of the page's first byte
    uint64_t references_ = 0;
    size_t count_ = 0;
    std::array<Read, 8> reads_{};  // four levels of the guest's, four of EPT's for the page itself
};

}  // namespace vtless::sim
