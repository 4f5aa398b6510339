// SPDX-License-Identifier: MIT
// The walk of EPT, without side effects. SDM Vol. 3C "EPT Translation Mechanism" (29.3.2).
#pragma once

#include <cstdint>

#include "isa/addr.h"
#include "isa/x86/ept.h"

namespace vtless::x86 {

struct EptWalk {
    enum class End : uint8_t { MAPPED, NOT_PRESENT, MISCONFIGURED };

    End end = End::MAPPED;
    uint8_t level = 0;       // of the entry that ended the walk
    uint8_t page_shift = 0;  // MAPPED: log2 of the page's bytes
    uint16_t rights = 0;     // ept::RWX, and with mode-based execute control USER_EXECUTE, bits set in every
                             // entry used; 0 when NOT_PRESENT
    uint64_t leaf = 0;       // MAPPED, NOT_PRESENT: the entry that ended the walk
    Hpa hpa;                 // MAPPED: of the byte
};

// read_entry(level, Hpa) returns the entry; where there is no memory, all ones. It is called from the top
// level down. A guest-physical address beyond the walk's width is not present.
template <class ReadEntry>
inline EptWalk ept_walk(Eptp eptp, Gpa gpa, const EptFeatures& features, ReadEntry& read_entry) {
    EptWalk result;
    unsigned level = eptp.walk_length();
    result.level = static_cast<uint8_t>(level);
    if ((gpa.value() >> ept::page_shift(level + 1)) != 0)
        return result.end = EptWalk::End::NOT_PRESENT, result;
    uint64_t rights = ept::RWX | (features.mode_based_execute ? ept::USER_EXECUTE : 0);
    uint64_t table = eptp.root();
    for (;; --level) {
        result.level = static_cast<uint8_t>(level);
        const uint64_t entry =
            read_entry(level, Hpa(table + ept::table_index(level, gpa.value()) * uint64_t{8}));
        rights &= entry;
        result.leaf = entry;
        if (!ept::is_present(entry, features)) return result.end = EptWalk::End::NOT_PRESENT, result;
        if (ept::is_misconfigured(level, entry, features))
            return result.end = EptWalk::End::MISCONFIGURED, result;
        if (ept::is_leaf(level, entry)) {
            result.rights = static_cast<uint16_t>(rights);
            result.page_shift = static_cast<uint8_t>(ept::page_shift(level));
            result.hpa = Hpa(ept::leaf_address(level, entry) | (gpa.value() & (bit(result.page_shift) - 1)));
            return result;
        }
        table = ept::table_address(entry);
    }
}

}  // namespace vtless::x86
