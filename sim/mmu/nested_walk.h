// SPDX-License-Identifier: MIT
// EPT's half of a walk.
#pragma once

#include <cstdint>
#include <cstring>

#include "isa/x86/ept_walk.h"
#include "isa/x86/exit_qualification.h"
#include "sim/mmu/access.h"
#include "sim/mmu/host_memory.h"
#include "sim/mmu/tlb.h"

namespace vtless::sim {

// x86::ept's right that the access wants.
constexpr uint64_t wanted(AccessType type) {
    constexpr uint64_t kRights[] = {x86::ept::READ, x86::ept::WRITE, x86::ept::EXECUTE};
    return kRights[static_cast<unsigned>(type)];
}

// The qualification's bits 2:0 and 6:3: the right that is wanted, and those that are there.
constexpr uint64_t violation_of(uint64_t want, uint64_t rights) {
    namespace ept = x86::ept;
    using Qualification = x86::EptViolationQualification;
    return (want & ept::RWX) | ((want & ept::USER_EXECUTE) != 0 ? Qualification::FETCH : 0) |
           (rights & ept::RWX) << 3 |
           ((rights & ept::USER_EXECUTE) != 0 ? Qualification::USER_EXECUTABLE : 0);
}

// What EPT says of one guest-physical address: where it is, or (absent) that it is nowhere; or nothing. Small
// enough to stay in registers.
struct NestedPage {
    Hpa hpa;                          // of the byte
    uint16_t rights = x86::ept::RWX;  // as of x86::EptWalk
    uint8_t page_shift = 0;           // 0: not known to be anywhere
    uint8_t references = 0;           // EPT entries read
    bool dirty = true;                // or there is no dirty flag
    bool suppress_ve = false;         // bit 63 of the leaf

    explicit operator bool() const { return page_shift != 0; }
    bool absent() const { return page_shift == 0 && references != 0; }
};

// Adds to an entry of the guest's half what EPT says of its page.
inline void add_nested_page(TlbEntry& entry, Gpa gpa, const NestedPage& page, const HostMemory& memory) {
    entry.gpa_rights |= gpa.page().value() | (page.rights & x86::ept::RWX) << 4 |
                        (page.dirty ? TlbEntry::kEptDirty : 0) |
                        (page.hpa.value() < memory.size() ? TlbEntry::kBacked : 0);
    entry.hpa_shifts |= page.hpa.page().value() | uint64_t{page.page_shift} << 6;
}

// Rights wanted are x86::ept's READ, WRITE, EXECUTE, USER_EXECUTE. Changes no table.
class NestedWalk {
  public:
    NestedWalk(const HostMemory& memory, x86::Eptp eptp, const x86::EptFeatures& features)
        : base_(memory.base()),
          size_(memory.size()),
          eptp_(eptp),
          flags_(eptp.accessed_dirty()),
          usable_(eptp.walk_length() == 4),
          needed_(x86::ept::READ | (flags_ ? x86::ept::ACCESSED : 0)),
          reserved_(~bit_range(features.physical_bits - 1, 0) & x86::ept::kAddress),
          rights_(x86::ept::RWX | (features.mode_based_execute ? x86::ept::USER_EXECUTE : 0)),
          features_(&features) {}

    x86::Eptp eptp() const { return eptp_; }
    // Reads of the guest's tables count as writes with accessed and dirty flags for EPT (SDM Vol.
    // 3C 29.3.3.2).
    uint64_t wanted_of_tables() const { return x86::ept::READ | (flags_ ? x86::ept::WRITE : 0); }

    // The walk where nothing is amiss and no flag is to be set: four levels of readable entries, whose sum
    // says so. Nothing where the rules have to be looked at one by one.
    [[gnu::always_inline]] NestedPage usual(Gpa gpa, uint64_t want) const;

    // The same walk by the rules: whether it ends in the fault that it leaves in `fault`, or where flags are
    // to be set. `references` counts the entries read.
    bool faults(Gpa gpa, uint64_t want, MmuFault& fault, uint64_t& references) const;
    // Whether a walk that came to this permits the access; else what it raises. The qualification's bits 7
    // and 8 stay clear.
    static bool permits(const x86::EptWalk& walk, Gpa gpa, uint64_t want, MmuFault& fault);

    // All ones outside RAM.
    uint64_t load(Hpa hpa) const { return hpa.value() < size_ ? load_within(hpa.value()) : ~uint64_t{0}; }

  private:
    uint64_t load_within(uint64_t address) const {
        uint64_t value;
        std::memcpy(&value, base_ + address, sizeof(value));
        return value;
    }
    // What the entries above have in common, and what one of them has.
    struct Above {
        uint64_t all = ~uint64_t{0};
        uint64_t any = 0;
    };
    // Inlined: all that a step may wait for is the address that the one before gives.
    template <unsigned kLevel>
    [[gnu::always_inline]] NestedPage descend(uint64_t table, Gpa gpa, uint64_t want, Above above) const;
    template <unsigned kLevel>
    NestedPage absent(Above above) const;
    template <unsigned kLevel>
    NestedPage finish(uint64_t entry, Gpa gpa, uint64_t want, Above above) const;

    const uint8_t* base_;
    uint64_t size_;
    x86::Eptp eptp_;
    bool flags_;
    bool usable_;
    uint64_t needed_;    // of every entry
    uint64_t reserved_;  // of every entry: address bits beyond the physical-address width
    uint64_t rights_;    // the bits that are rights
    const x86::EptFeatures* features_;
};

// After an entry of 0. No accessed flag is set on the way to a violation, so that none has to be set already.
template <unsigned kLevel>
inline NestedPage NestedWalk::absent(Above above) const {
    NestedPage page;
    const bool usual = (above.all & x86::ept::READ) != 0 && (above.any & (reserved_ | bit_range(7, 3))) == 0;
    if (usual) page.references = 5 - kLevel;
    return page;
}

template <unsigned kLevel>
inline NestedPage NestedWalk::finish(uint64_t entry, Gpa gpa, uint64_t want, Above above) const {
    namespace ept = x86::ept;
    constexpr uint64_t kOffset = bit(ept::page_shift(kLevel)) - 1;
    // The leaf alone has a dirty flag. Bits 7:3 of the others are reserved: LARGE where it is not a leaf's.
    const uint64_t common = (above.all | ept::DIRTY) & entry;
    const uint64_t needed = needed_ | want | (flags_ && (want & ept::WRITE) != 0 ? ept::DIRTY : 0);
    if ((needed & ~common) != 0) return {};
    if ((above.any & (reserved_ | bit_range(7, 3))) != 0) return {};
    if ((entry & (reserved_ | (kOffset & ept::kAddress))) != 0) return {};
    if (!ept::is_valid_memory_type(Field<5, 3>::get(entry))) return {};
    NestedPage page;
    page.hpa = Hpa((entry & ept::kAddress) | (gpa.value() & kOffset));
    page.page_shift = ept::page_shift(kLevel);
    page.rights = static_cast<uint16_t>(common & rights_);
    page.suppress_ve = (entry & ept::SUPPRESS_VE) != 0;
    page.references = 5 - kLevel;
    page.dirty = !flags_ || (entry & ept::DIRTY) != 0;
    return page;
}

template <unsigned kLevel>
inline NestedPage NestedWalk::descend(uint64_t table, Gpa gpa, uint64_t want, Above above) const {
    namespace ept = x86::ept;
    if (table >= size_) return {};
    const uint64_t entry = load_within(table + ept::table_index(kLevel, gpa.value()) * uint64_t{8});
    if (entry == 0) return absent<kLevel>(above);
    if constexpr (kLevel == 1) {
        return finish<1>(entry, gpa, want, above);
    } else {
        if (kLevel != 4 && (entry & ept::LARGE) != 0) {
            const bool allowed = kLevel == 2 ? features_->page_2m : features_->page_1g;
            return allowed ? finish<kLevel>(entry, gpa, want, above) : NestedPage{};
        }
        return descend<kLevel - 1>(entry & ept::kAddress, gpa, want, {above.all & entry, above.any | entry});
    }
}

inline NestedPage NestedWalk::usual(Gpa gpa, uint64_t want) const {
    if (!usable_ || (gpa.value() >> x86::ept::page_shift(5)) != 0) return {};
    return descend<4>(eptp_.root(), gpa, want, {});
}

}  // namespace vtless::sim
