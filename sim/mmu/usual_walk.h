// SPDX-License-Identifier: MIT
// The walk that nearly all are: four levels of guest paging, each of whose entries four levels of EPT
// translate, every entry well formed and every flag set already.
#pragma once

#include <cstdint>

#include "sim/mmu/nested_walk.h"
#include "sim/mmu/table_cache.h"

namespace vtless::sim {

class Mmu;

// Lives for one walk, which writes nothing. What it cannot answer is Walker's, from the start.
class UsualWalk {
  public:
    static bool applies(const Mmu& mmu);
    // tables is told of what the walk finds. The fault, none so far, is written where it is wanted: it is too
    // large to be handed on and on.
    UsualWalk(const Mmu& mmu, TableCache& tables, MmuFault& fault);

    // False when the walk is not as usual: then nothing is to be counted. Otherwise there is a fault, or the
    // entry is filled; each as Walker would say, after as many references.
    bool linear(Gva gva, Access access, TlbEntry& entry);
    uint64_t references() const { return references_; }

  private:
    struct GuestPage {
        uint64_t common = ~uint64_t{0};  // bits that are set in all entries
        uint64_t any = 0;                // bits that are set in one
        uint64_t leaf = 0;
        unsigned page_shift = 12;
        Gpa gpa;  // of the byte
    };

    template <unsigned kLevel>
    void walk_guest(uint64_t table, Gva gva, Access access, GuestPage& page);
    const uint8_t* find_entry(Gpa at);
    [[gnu::noinline]] const uint8_t* look_up_table(Gpa at, TableCache::Entry& table);
    void stop_at(uint64_t entry, Access access);
    bool large_is_usual(unsigned level, uint64_t entry) const;
    // Both leave a fault, and say whether there is one.
    bool refuse_nested(const NestedPage& page, Gpa gpa, uint64_t want, uint64_t qualification);
    bool refuse(Access access, uint32_t cause);

    const Mmu& mmu_;
    TableCache& tables_;
    const NestedWalk& nested_;
    uint64_t reserved_;  // of every entry of the guest's
    uint64_t references_ = 0;
    bool usual_ = true;
    MmuFault& fault_;
};

}  // namespace vtless::sim
