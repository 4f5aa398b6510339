// SPDX-License-Identifier: MIT
#include "bench/exact/ept_edit.h"

namespace vtless::bench {

namespace {

constexpr uint64_t kOpen = 0x67;  // present, writable, user, accessed, dirty
constexpr uint64_t kPageSize = 0x80;

Hpa root(CountedGuest& guest) { return guest->memory().ept_root(); }

}  // namespace

Hpa ept_entry_at(CountedGuest& guest, uint64_t gpa) {
    unsigned level = 4;
    Hpa at = root(guest) + x86::ept::table_index(level, gpa) * uint64_t{8};
    for (uint64_t entry = load<uint64_t>(guest, at); !x86::ept::is_leaf(level, entry) && entry != 0;
         entry = load<uint64_t>(guest, at)) {
        --level;
        at = Hpa(x86::ept::table_address(entry) + x86::ept::table_index(level, gpa) * uint64_t{8});
    }
    return at;
}

void split_ept(CountedGuest& guest, uint64_t gpa) {
    const Hpa large = ept_entry_at(guest, gpa);
    const uint64_t first = x86::ept::leaf_address(2, load<uint64_t>(guest, large));
    const Hpa table = frame(guest);
    for (uint64_t i = 0; i < x86::ept::kEntriesPerTable; ++i)
        store(guest, table + i * 8, (first + i * 4096) | kEptLeaf);
    store(guest, large, table.value() | x86::ept::RWX);
}

void map_ept_gib(CountedGuest& guest) {
    const Hpa pdpt(x86::ept::table_address(load<uint64_t>(guest, root(guest))));
    store(guest, pdpt, kEptLeaf | x86::ept::LARGE);
}

uint64_t copy_eptp(CountedGuest& guest) {
    const Hpa copy = frame(guest);
    for (uint64_t i = 0; i < x86::ept::kEntriesPerTable; ++i)
        store(guest, copy + i * 8, load<uint64_t>(guest, root(guest) + i * 8));
    return x86::Eptp::make(copy.value()).raw;
}

void set_guest_leaf(CountedGuest& guest, unsigned level) {
    const Hpa tables(GuestLayout::kPageTables);
    constexpr uint64_t k2M = uint64_t{2} << 20;
    if (level == 2)
        store(guest, tables + 0x2000 + GuestLayout::kData / k2M * 8,
              GuestLayout::kData / k2M * k2M | kOpen | kPageSize);
    if (level == 3) store(guest, tables + 0x1000, kOpen | kPageSize);
}

}  // namespace vtless::bench
