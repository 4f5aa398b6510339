// SPDX-License-Identifier: MIT
// A counted guest's EPT and page tables, as a hypervisor and a kernel change them.
#pragma once

#include "bench/exact/steps.h"
#include "isa/x86/ept.h"

namespace vtless::bench {

inline constexpr uint64_t kEptLeaf = x86::ept::RWX | 6u << 3;  // write-back

// Where the entry is that maps the address, or would, at the level where the walk ends.
Hpa ept_entry_at(CountedGuest& guest, uint64_t gpa);
inline uint64_t ept_entry(CountedGuest& guest, uint64_t gpa) {
    return load<uint64_t>(guest, ept_entry_at(guest, gpa));
}
// Without an INVEPT.
inline void set_ept_entry(CountedGuest& guest, uint64_t gpa, uint64_t entry) {
    store(guest, ept_entry_at(guest, gpa), entry);
}
// Maps the 2 MiB around the address by 4-KiB pages.
void split_ept(CountedGuest& guest, uint64_t gpa);
// Maps the first GiB by one page, itself.
void map_ept_gib(CountedGuest& guest);
// Another EPT with the same contents below its top table.
uint64_t copy_eptp(CountedGuest& guest);

// The guest's own entry that maps a 4-KiB page below 16 MiB.
inline void set_guest_page(CountedGuest& guest, uint64_t page, uint64_t entry) {
    store(guest, Hpa(GuestLayout::kPageTables + 0x3000 + (page >> 12) * 8), entry);
}
// Maps the guest's data by a page of that level: 1, 2 or 3.
void set_guest_leaf(CountedGuest& guest, unsigned level);

}  // namespace vtless::bench
