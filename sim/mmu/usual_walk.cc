// SPDX-License-Identifier: MIT
#include "sim/mmu/usual_walk.h"

#include "isa/x86/exception.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/paging.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

namespace pte = x86::pte;
using Qualification = x86::EptViolationQualification;

namespace {

constexpr auto kMode = x86::PagingMode::LEVEL4;

// The rights of TlbEntry that guest paging gives.
uint64_t rights_of(uint64_t common, uint64_t any, uint64_t leaf, bool global_pages) {
    return ((common & pte::US) != 0 ? TlbEntry::kUser : 0) |
           ((common & pte::RW) != 0 ? TlbEntry::kWritable : 0) |
           ((any & pte::XD) == 0 ? TlbEntry::kExecutable : 0) |
           ((leaf & pte::D) != 0 ? TlbEntry::kDirty : 0) |
           (global_pages && (leaf & pte::G) != 0 ? TlbEntry::kGlobal : 0);
}

}  // namespace

bool UsualWalk::applies(const Mmu& mmu) {
    return mmu.paging_mode() == kMode && mmu.strict() == nullptr && mmu.ept() &&
           x86::Eptp{*mmu.ept()}.walk_length() == 4 && mmu.has_plain_tables();
}

UsualWalk::UsualWalk(const Mmu& mmu, TableCache& tables, MmuFault& fault)
    : mmu_(mmu), tables_(tables), nested_(mmu.nested_walk()), fault_(fault) {
    const x86::PagingFeatures& features = mmu.paging_features();
    reserved_ = (~bit_range(features.physical_bits - 1, 0) & pte::kAddress) | (features.nxe ? 0 : pte::XD);
}

// Where the entry is, which the walk reads next: nowhere if the walk is not as usual, or has found a fault.
inline const uint8_t* UsualWalk::find_entry(Gpa at) {
    TableCache::Entry& table = tables_.slot(at);
    if (!table.is_of(at, mmu_.generation())) return look_up_table(at, table);
    references_ += table.references + 1;
    return table.bytes + at.page_offset();
}

const uint8_t* UsualWalk::look_up_table(Gpa at, TableCache::Entry& table) {
    const uint64_t want = nested_.wanted_of_tables();
    const NestedPage where = nested_.usual(at, want);
    if (!where) {
        usual_ = refuse_nested(where, at, want, Qualification::LINEAR_ADDRESS_VALID);
        return nullptr;
    }
    const HostMemory& memory = mmu_.memory();
    usual_ = where.hpa.value() < memory.size();
    if (!usual_) return nullptr;
    const uint8_t* bytes = memory.base() + where.hpa.page().value();
    table = {at.page(), mmu_.generation(), bytes, where.references};
    references_ += where.references + uint64_t{1};
    return bytes + at.page_offset();
}

bool UsualWalk::refuse_nested(const NestedPage& page, Gpa gpa, uint64_t want, uint64_t qualification) {
    if (page.absent()) {
        references_ += page.references;
        fault_.kind = MmuFault::Kind::EptViolation;
        fault_.qualification = want | qualification;
        fault_.gpa = gpa;
        return true;
    }
    if (!nested_.faults(gpa, want, fault_, references_)) return false;
    if (fault_.kind == MmuFault::Kind::EptViolation) fault_.qualification |= qualification;
    return true;
}

bool UsualWalk::refuse(Access access, uint32_t cause) {
    fault_.kind = MmuFault::Kind::PageFault;
    fault_.error_code = mmu_.protection().error_code(access, cause);
    return true;
}

// The page is there unless there is a fault, or the walk is not as usual.
template <unsigned kLevel>
inline void UsualWalk::walk_guest(uint64_t table, Gva gva, Access access, GuestPage& page) {
    const uint8_t* at = find_entry(Gpa(table + x86::table_index(kMode, kLevel, gva.value()) * uint64_t{8}));
    if (at == nullptr) return;
    uint64_t entry;
    std::memcpy(&entry, at, sizeof(entry));
    constexpr uint64_t kNeeded = pte::P | pte::A;
    if ((entry & kNeeded) != kNeeded || (entry & reserved_) != 0) [[unlikely]]
        return stop_at(entry, access);
    page.common &= entry;
    page.any |= entry;
    if constexpr (kLevel != 1) {
        if ((entry & pte::PS) == 0) return walk_guest<kLevel - 1>(entry & pte::kAddress, gva, access, page);
        if (!large_is_usual(kLevel, entry)) {
            usual_ = false;
            return;
        }
    }
    page.leaf = entry;
    page.page_shift = x86::page_shift(kMode, kLevel);
    constexpr uint64_t kOffset = bit(x86::page_shift(kMode, kLevel)) - 1;
    page.gpa = Gpa((entry & pte::kAddress & ~kOffset) | (gva.value() & kOffset));
}

// An entry that is not present, has reserved bits set, or was never used.
void UsualWalk::stop_at(uint64_t entry, Access access) {
    if ((entry & pte::P) == 0) {
        refuse(access, 0);
    } else if ((entry & reserved_) != 0) {
        refuse(access, x86::page_fault::P | x86::page_fault::RSVD);
    } else {
        usual_ = false;
    }
}

bool UsualWalk::large_is_usual(unsigned level, uint64_t entry) const {
    if (!x86::is_leaf(kMode, level, entry, mmu_.paging_features())) return false;
    return (entry & bit_range(x86::page_shift(kMode, level) - 1, 13)) == 0;
}

bool UsualWalk::linear(Gva gva, Access access, TlbEntry& entry) {
    fault_.gva = gva;
    GuestPage page;
    walk_guest<4>(x86::root_table(kMode, mmu_.paging().cr3), gva, access, page);
    if (!usual_ || fault_) return usual_;

    const bool global_pages = (mmu_.paging().cr4 & x86::cr4::PGE) != 0;
    entry.page = gva.frame_number();
    entry.gpa_rights = rights_of(page.common, page.any, page.leaf, global_pages);
    entry.hpa_shifts = page.page_shift;
    if (!mmu_.protection().allows(entry, access)) return refuse(access, x86::page_fault::P);
    if (access.type == AccessType::Write && !entry.has(TlbEntry::kDirty)) return false;

    const uint64_t want = wanted(access.type);
    const NestedPage where = nested_.usual(page.gpa, want);
    if (!where)
        return refuse_nested(where, page.gpa, want,
                             Qualification::LINEAR_ADDRESS_VALID | Qualification::FINAL_TRANSLATION |
                                 linear_rights(mmu_, entry));
    references_ += where.references;
    add_nested_page(entry, page.gpa, where, mmu_.memory());
    return true;
}

}  // namespace vtless::sim
