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
           x86::Eptp{*mmu.ept()}.walk_length() == 4 && !mmu.ept_features().mode_based_execute;
}

UsualWalk::UsualWalk(const Mmu& mmu, TableCache& tables, MmuFault& fault)
    : mmu_(mmu), tables_(tables), nested_(mmu.nested_walk()), fault_(fault) {}

NestedPage UsualWalk::find_table(Gpa gpa, uint64_t want) {
    NestedPage page = tables_.find(gpa, mmu_.generation());
    if (page) return page;
    page = nested_.usual(gpa, want);
    if (page) tables_.insert(gpa, page, mmu_.generation());
    return page;
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

// False when the walk is not as usual. The page is there unless there is a fault.
bool UsualWalk::walk_guest(Gva gva, Access access, GuestPage& page) {
    const HostMemory& memory = mmu_.memory();
    const x86::PagingFeatures& features = mmu_.paging_features();
    const uint64_t reserved =
        (~bit_range(features.physical_bits - 1, 0) & pte::kAddress) | (features.nxe ? 0 : pte::XD);
    const uint64_t want = nested_.wanted_of_tables();
    uint64_t table = x86::root_table(kMode, mmu_.paging().cr3);
    for (unsigned level = 4;; --level) {
        const Gpa at(table + x86::table_index(kMode, level, gva.value()) * uint64_t{8});
        const NestedPage where = find_table(at, want);
        if (!where) return refuse_nested(where, at, want, Qualification::LINEAR_ADDRESS_VALID);
        if (where.hpa.value() >= memory.size()) return false;
        uint64_t entry;
        std::memcpy(&entry, memory.base() + where.hpa.value(), sizeof(entry));
        references_ += where.references + 1;
        if ((entry & pte::P) == 0) return refuse(access, 0);
        if ((entry & reserved) != 0) return refuse(access, x86::page_fault::P | x86::page_fault::RSVD);
        if ((entry & pte::A) == 0) return false;
        page.common &= entry;
        page.any |= entry;
        if (level != 1 && (entry & pte::PS) == 0) {
            table = entry & pte::kAddress;
            continue;
        }
        if (level != 1 && !large_is_usual(level, entry)) return false;
        page.leaf = entry;
        page.page_shift = x86::page_shift(kMode, level);
        const uint64_t offset = bit(page.page_shift) - 1;
        page.gpa = Gpa((entry & pte::kAddress & ~offset) | (gva.value() & offset));
        return true;
    }
}

bool UsualWalk::large_is_usual(unsigned level, uint64_t entry) const {
    if (!x86::is_leaf(kMode, level, entry, mmu_.paging_features())) return false;
    return (entry & bit_range(x86::page_shift(kMode, level) - 1, 13)) == 0;
}

bool UsualWalk::linear(Gva gva, Access access, TlbEntry& entry) {
    fault_.gva = gva;
    GuestPage page;
    if (!walk_guest(gva, access, page)) return false;
    if (fault_) return true;

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
