// SPDX-License-Identifier: MIT
// Formats of the guest's own page tables. Levels count up from 1, the table whose entries map 4-KiB pages.
// SDM Vol. 3A "Paging" (4): tables 4-3 to 4-20.
#pragma once

#include <cstdint>

#include "isa/bits.h"
#include "isa/x86/control_regs.h"

namespace vtless::x86 {

enum class PagingMode : uint8_t { NONE, BITS32, PAE, LEVEL4, LEVEL5 };

constexpr PagingMode paging_mode(uint64_t cr0_value, uint64_t cr4_value, uint64_t efer_value) {
    if ((cr0_value & cr0::PG) == 0) return PagingMode::NONE;
    if ((cr4_value & cr4::PAE) == 0) return PagingMode::BITS32;
    if ((efer_value & efer::LMA) == 0) return PagingMode::PAE;
    return (cr4_value & cr4::LA57) != 0 ? PagingMode::LEVEL5 : PagingMode::LEVEL4;
}

namespace pte {
inline constexpr uint64_t P = bit(0);
inline constexpr uint64_t RW = bit(1);
inline constexpr uint64_t US = bit(2);
inline constexpr uint64_t PWT = bit(3);
inline constexpr uint64_t PCD = bit(4);
inline constexpr uint64_t A = bit(5);
inline constexpr uint64_t D = bit(6);
inline constexpr uint64_t PS = bit(7);   // above level 1
inline constexpr uint64_t PAT = bit(7);  // level 1
inline constexpr uint64_t G = bit(8);
inline constexpr uint64_t PAT_LARGE = bit(12);
inline constexpr uint64_t XD = bit(63);
inline constexpr uint64_t kAddress = bit_range(51, 12);

constexpr unsigned protection_key(uint64_t entry) { return Field<62, 59, unsigned>::get(entry); }
}  // namespace pte

// What of the processor and its registers decides which bits of an entry are reserved.
struct PagingFeatures {
    unsigned physical_bits = 40;  // MAXPHYADDR
    bool nxe = false;             // IA32_EFER.NXE
    bool pse = false;             // CR4.PSE; matters to 32-bit paging only
    bool pse36 = true;
    bool page_1g = false;
};

constexpr unsigned levels(PagingMode mode) {
    constexpr uint8_t kLevels[] = {0, 2, 3, 4, 5};
    return kLevels[static_cast<unsigned>(mode)];
}

constexpr unsigned entry_bytes(PagingMode mode) { return mode == PagingMode::BITS32 ? 4 : 8; }

// log2 of the bytes that one entry of the level covers.
constexpr unsigned page_shift(PagingMode mode, unsigned level) {
    return 12 + (level - 1) * (mode == PagingMode::BITS32 ? 10u : 9u);
}

constexpr unsigned table_index(PagingMode mode, unsigned level, uint64_t va) {
    const unsigned bits = mode == PagingMode::BITS32 ? 10 : (mode == PagingMode::PAE && level == 3) ? 2 : 9;
    return static_cast<unsigned>((va >> page_shift(mode, level)) & (bit(bits) - 1));
}

// Where the top table starts. SDM Vol. 3A tables 4-3, 4-7, 4-12.
constexpr uint64_t root_table(PagingMode mode, uint64_t cr3_value) {
    if (mode == PagingMode::BITS32) return cr3_value & 0xfffff000;
    if (mode == PagingMode::PAE) return cr3_value & 0xffffffe0;
    return cr3_value & pte::kAddress;
}

// Whether a present entry maps a page at this level instead of naming the next table.
constexpr bool is_leaf(PagingMode mode, unsigned level, uint64_t entry, const PagingFeatures& features) {
    if (level == 1) return true;
    if ((entry & pte::PS) == 0) return false;
    if (level == 2) return mode != PagingMode::BITS32 || features.pse;
    return level == 3 && mode != PagingMode::PAE && features.page_1g;
}

// Physical address of the page that a leaf maps.
constexpr uint64_t leaf_address(PagingMode mode, unsigned level, uint64_t entry) {
    if (mode == PagingMode::BITS32 && level == 2)
        return Field<31, 22>::get(entry) << 22 | Field<20, 13>::get(entry) << 32;
    const uint64_t address = mode == PagingMode::BITS32 ? entry & 0xfffff000 : entry & pte::kAddress;
    return address & ~(bit(page_shift(mode, level)) - 1);
}

// Physical address of the table that an entry names.
constexpr uint64_t table_address(PagingMode mode, uint64_t entry) {
    return mode == PagingMode::BITS32 ? entry & 0xfffff000 : entry & pte::kAddress;
}

// A PDPTE of PAE paging, checked when it is loaded into its register. SDM Vol. 3A table 4-8.
constexpr uint64_t pae_pdpte_reserved(unsigned physical_bits) {
    return bit_range(2, 1) | bit_range(8, 5) | bit_range(63, physical_bits);
}

namespace paging_detail {
constexpr uint64_t reserved32(bool leaf, unsigned level, const PagingFeatures& features) {
    if (!leaf || level == 1) return 0;
    if (!features.pse36) return bit_range(21, 13);
    const unsigned width = features.physical_bits < 40 ? features.physical_bits : 40;
    return bit_range(21, width - 19);
}
}  // namespace paging_detail

// Bits that raise #PF with RSVD when set in a present entry (levels above PAE's PDPTEs do not arise).
constexpr uint64_t reserved_bits(PagingMode mode, unsigned level, uint64_t entry,
                                 const PagingFeatures& features) {
    const bool leaf = is_leaf(mode, level, entry, features);
    if (mode == PagingMode::BITS32) return paging_detail::reserved32(leaf, level, features);
    if (mode == PagingMode::PAE && level == 3) return pae_pdpte_reserved(features.physical_bits);

    const unsigned address_top = mode == PagingMode::PAE ? 62 : 51;
    uint64_t reserved = features.nxe ? 0 : pte::XD;
    if (features.physical_bits <= address_top) reserved |= bit_range(address_top, features.physical_bits);
    if (level >= 3 && !leaf) reserved |= pte::PS;
    if (leaf && level > 1) reserved |= bit_range(page_shift(mode, level) - 1, 13);
    return reserved;
}

}  // namespace vtless::x86
