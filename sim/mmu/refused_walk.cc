// SPDX-License-Identifier: MIT
#include "sim/mmu/refused_walk.h"

#include "isa/x86/ept_walk.h"
#include "isa/x86/paging.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

namespace pte = x86::pte;

constexpr auto kMode = x86::PagingMode::LEVEL4;

void RefusedWalk::note(const Mmu& mmu, TableCache& tables, Access access, const MmuFault& fault,
                       uint64_t references) {
    const bool again = fault.gva.page() == page_;
    page_ = fault.gva.page();
    generation_ = 0;
    count_ = 0;
    if (!again || !read_guest_entries(mmu, tables, page_) || !read_ept_entries(mmu, fault.gpa)) return;
    generation_ = mmu.generation();
    access_ = access;
    fault_ = fault;
    fault_.gpa = fault.gpa.page();
    references_ = references;
}

inline uint64_t RefusedWalk::read(const uint8_t* at) {
    Read& read = reads_[count_++];
    read.at = at;
    return read.value = read.now();
}

// The walk has found them well formed. Where the tables are it may have forgotten: then false.
bool RefusedWalk::read_guest_entries(const Mmu& mmu, TableCache& tables, Gva gva) {
    uint64_t table = x86::root_table(kMode, mmu.paging().cr3);
    for (unsigned level = 4; level != 0; --level) {
        const Gpa at(table + x86::table_index(kMode, level, gva.value()) * uint64_t{8});
        const TableCache::Entry& where = tables.slot(at);
        if (!where.is_of(at, mmu.generation())) return false;
        const uint64_t entry = read(where.bytes + at.page_offset());
        if (level != 1 && (entry & pte::PS) != 0) break;
        table = entry & pte::kAddress;
    }
    return true;
}

bool RefusedWalk::read_ept_entries(const Mmu& mmu, Gpa gpa) {
    bool in_memory = true;
    auto read_entry = [&](unsigned, Hpa hpa) {
        in_memory = mmu.memory().contains(hpa, sizeof(uint64_t));
        return in_memory ? read(mmu.memory().base() + hpa.value()) : ~uint64_t{0};
    };
    (void)x86::ept_walk(mmu.nested_walk().eptp(), gpa, mmu.ept_features(), read_entry);
    return in_memory;
}

}  // namespace vtless::sim
