// SPDX-License-Identifier: MIT
// The walk of the guest's own page tables, whatever their format, without side effects. Who walks supplies
// the entries. SDM Vol. 3A "Paging" (4).
#pragma once

#include <array>
#include <cstdint>

#include "isa/addr.h"
#include "isa/x86/paging.h"

namespace vtless::x86 {

struct GuestWalk {
    enum class End : uint8_t {
        MAPPED,
        NOT_PRESENT,
        RESERVED,    // a reserved bit is set in a present entry
        UNREADABLE,  // the reader could not supply an entry
    };

    End end = End::MAPPED;
    uint8_t level = 0;        // MAPPED: of the leaf, 0 without paging; else of the entry that ended the walk
    bool writable = true;     // R/W of all levels
    bool user = true;         // U/S of all levels
    bool executable = true;   // no XD in any level
    bool global = false;      // G of the leaf, whether or not CR4.PGE makes it count
    uint8_t page_shift = 12;  // log2 of the page's bytes
    Gpa gpa;                  // MAPPED: of the byte
};

// Where translation starts.
struct GuestRoot {
    PagingMode mode = PagingMode::NONE;
    uint64_t cr3 = 0;
    const uint64_t* pdptes = nullptr;  // four, for PAE paging
};

namespace guest_walk_detail {

template <PagingMode kMode, class ReadEntry>
inline GuestWalk walk(const GuestRoot& root, uint64_t gva, const PagingFeatures& features,
                      ReadEntry& read_entry) {
    GuestWalk result;
    uint64_t table = root_table(kMode, root.cr3);
    unsigned level = levels(kMode);
    if constexpr (kMode == PagingMode::PAE) {
        const uint64_t pdpte = root.pdptes[table_index(kMode, 3, gva)];
        if ((pdpte & pte::P) == 0) return result.end = GuestWalk::End::NOT_PRESENT, result.level = 3, result;
        table = table_address(kMode, pdpte);
        level = 2;
    }
    for (;; --level) {
        result.level = static_cast<uint8_t>(level);
        uint64_t entry = 0;
        const Gpa address(table + table_index(kMode, level, gva) * uint64_t{entry_bytes(kMode)});
        if (!read_entry(level, address, entry)) return result.end = GuestWalk::End::UNREADABLE, result;
        if ((entry & pte::P) == 0) return result.end = GuestWalk::End::NOT_PRESENT, result;
        if ((entry & reserved_bits(kMode, level, entry, features)) != 0)
            return result.end = GuestWalk::End::RESERVED, result;
        result.writable = result.writable && (entry & pte::RW) != 0;
        result.user = result.user && (entry & pte::US) != 0;
        result.executable = result.executable && (entry & pte::XD) == 0;
        if (is_leaf(kMode, level, entry, features)) {
            result.global = (entry & pte::G) != 0;
            result.page_shift = static_cast<uint8_t>(page_shift(kMode, level));
            result.gpa = Gpa(leaf_address(kMode, level, entry) | (gva & (bit(result.page_shift) - 1)));
            return result;
        }
        table = table_address(kMode, entry);
    }
}

}  // namespace guest_walk_detail

// read_entry(level, Gpa, entry) reads the entry of entry_bytes(mode) bytes at that address, zero-extended,
// or returns false. It is called from the top level down. Permissions are not judged.
template <class ReadEntry>
inline GuestWalk guest_walk(const GuestRoot& root, Gva gva, const PagingFeatures& features,
                            ReadEntry& read_entry) {
    using namespace guest_walk_detail;
    switch (root.mode) {
        case PagingMode::NONE:
            break;
        case PagingMode::BITS32:
            return walk<PagingMode::BITS32>(root, gva.value(), features, read_entry);
        case PagingMode::PAE:
            return walk<PagingMode::PAE>(root, gva.value(), features, read_entry);
        case PagingMode::LEVEL4:
            return walk<PagingMode::LEVEL4>(root, gva.value(), features, read_entry);
        case PagingMode::LEVEL5:
            return walk<PagingMode::LEVEL5>(root, gva.value(), features, read_entry);
    }
    GuestWalk identity;
    identity.gpa = Gpa(gva.value() & 0xffffffff);
    return identity;
}

}  // namespace vtless::x86
