// SPDX-License-Identifier: MIT
// EPT entries and the EPT pointer. Levels count up from 1, the table whose entries map 4-KiB pages.
// SDM Vol. 3C "The Extended Page Table Mechanism (EPT)" (29.3), "Extended-Page-Table Pointer (EPTP)"
// (25.6.11).
#pragma once

#include <cstdint>

#include "isa/bits.h"
#include "isa/x86/msr.h"

namespace vtless::x86 {

namespace ept {
inline constexpr uint64_t READ = bit(0);
inline constexpr uint64_t WRITE = bit(1);
inline constexpr uint64_t EXECUTE = bit(2);
inline constexpr uint64_t RWX = READ | WRITE | EXECUTE;
inline constexpr uint64_t IGNORE_PAT = bit(6);  // leaves
inline constexpr uint64_t LARGE = bit(7);       // levels 2 and 3
inline constexpr uint64_t ACCESSED = bit(8);
inline constexpr uint64_t DIRTY = bit(9);          // leaves
inline constexpr uint64_t USER_EXECUTE = bit(10);  // with mode-based execute control
inline constexpr uint64_t SUPPRESS_VE = bit(63);
inline constexpr uint64_t kAddress = bit_range(51, 12);
inline constexpr unsigned kEntriesPerTable = 512;

using MemoryTypeField = Field<5, 3, MemoryType>;  // leaves

constexpr unsigned page_shift(unsigned level) { return 12 + (level - 1) * 9; }
constexpr unsigned table_index(unsigned level, uint64_t gpa) {
    return static_cast<unsigned>((gpa >> page_shift(level)) & (kEntriesPerTable - 1));
}
constexpr bool is_leaf(unsigned level, uint64_t entry) {
    return level == 1 || ((level == 2 || level == 3) && (entry & LARGE) != 0);
}
// Host-physical address of the page that a leaf maps.
constexpr uint64_t leaf_address(unsigned level, uint64_t entry) {
    return entry & kAddress & ~(bit(page_shift(level)) - 1);
}
constexpr uint64_t table_address(uint64_t entry) { return entry & kAddress; }
}  // namespace ept

// What of the processor and the controls decides whether an entry is well formed.
struct EptFeatures {
    unsigned physical_bits = 40;  // MAXPHYADDR
    bool execute_only = false;    // IA32_VMX_EPT_VPID_CAP bit 0
    bool page_2m = true;          // bit 16
    bool page_1g = true;          // bit 17
    bool mode_based_execute = false;
};

namespace ept {

// A memory type that EPT leaves and the EPTP may hold. SDM Vol. 3C 29.3.7.
constexpr bool is_valid_memory_type(uint64_t type) {
    return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

constexpr bool is_present(uint64_t entry, const EptFeatures& features) {
    return (entry & (RWX | (features.mode_based_execute ? USER_EXECUTE : 0))) != 0;
}

// Reserved bits of a present entry. SDM Vol. 3C tables 29-1 to 29-7.
constexpr uint64_t reserved_bits(unsigned level, uint64_t entry, const EptFeatures& features) {
    uint64_t reserved = features.physical_bits < 52 ? bit_range(51, features.physical_bits) : 0;
    const bool large_allowed = (level == 2 && features.page_2m) || (level == 3 && features.page_1g);
    if (!is_leaf(level, entry)) return reserved | (large_allowed ? bit_range(6, 3) : bit_range(7, 3));
    if (level == 1) return reserved;
    if (!large_allowed) reserved |= LARGE;
    return reserved | bit_range(page_shift(level) - 1, 12);
}

// Whether using the entry causes an EPT misconfiguration. SDM Vol. 3C "EPT Misconfigurations" (29.3.3.1).
constexpr bool is_misconfigured(unsigned level, uint64_t entry, const EptFeatures& features) {
    if (!is_present(entry, features)) return false;
    if ((entry & READ) == 0) {
        if ((entry & WRITE) != 0) return true;
        if (!features.execute_only) return true;
    }
    if ((entry & reserved_bits(level, entry, features)) != 0) return true;
    return is_leaf(level, entry) && !is_valid_memory_type(Field<5, 3>::get(entry));
}

}  // namespace ept

// The EPT pointer of the VMCS.
struct Eptp {
    uint64_t raw = 0;

    static constexpr uint64_t kAccessedDirty = bit(6);
    static constexpr uint64_t kSupervisorShadowStack = bit(7);

    constexpr MemoryType memory_type() const { return Field<2, 0, MemoryType>::get(raw); }
    constexpr unsigned walk_length() const { return Field<5, 3, unsigned>::get(raw) + 1; }
    constexpr bool accessed_dirty() const { return (raw & kAccessedDirty) != 0; }
    constexpr uint64_t root() const { return raw & ept::kAddress; }

    // root: host-physical address of the top table.
    static constexpr Eptp make(uint64_t root, unsigned walk_length = 4, bool accessed_dirty = false) {
        return {(root & ept::kAddress) | uint64_t{walk_length - 1} << 3 |
                (accessed_dirty ? kAccessedDirty : 0) | static_cast<uint64_t>(MemoryType::WB)};
    }

    friend constexpr bool operator==(Eptp, Eptp) = default;
};

}  // namespace vtless::x86
