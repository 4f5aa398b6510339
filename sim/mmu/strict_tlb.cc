// SPDX-License-Identifier: MIT
#include "sim/mmu/strict_tlb.h"

#include <algorithm>

#include "sim/mmu/mmu.h"

namespace vtless::sim {

namespace {

constexpr uint64_t type_bit(AccessType type) { return bit(static_cast<unsigned>(type)); }

}  // namespace

StrictTlb::StrictTlb(Mmu& mmu, Listener listener, void* context)
    : mmu_(mmu), listener_(listener), context_(context) {
    select_ept(mmu.ept(), mmu.ept_features().mode_based_execute);
}

// ------------------------------------------------------------------------------------------- which mappings

// EPTRTA: what else the EPT pointer says does not tell mappings apart.
uint64_t StrictTlb::root_of(std::optional<uint64_t> eptp) { return eptp ? x86::Eptp{*eptp}.root() : kNoEpt; }

void StrictTlb::select() {
    const Key key{vpid_, root_};
    if (combined_.size() >= kMaxContexts && combined_.find(key) == combined_.end()) combined_.clear();
    if (physical_.size() >= kMaxContexts && physical_.find(root_) == physical_.end()) physical_.clear();
    current_ = &combined_[key];
    current_physical_ = &physical_[root_];
    tag_ = &tags_[vpid_];
}

void StrictTlb::select_ept(std::optional<uint64_t> eptp, bool mode_based_execute) {
    root_ = root_of(eptp);
    if (eptp && mode_based_execute) root_ |= kModeBased;
    select();
}

void StrictTlb::select_vpid(uint16_t vpid, Hpa owner) {
    vpid_ = vpid;
    Tag& tag = tags_[vpid];
    if (tag.owner != owner && tag.used) tag.replaced = true;
    tag.owner = owner;
    select();
}

// ------------------------------------------------------------------------------------------------
// translation

bool StrictTlb::translate(Gva gva, Access access, Translation& out, MmuFault& fault) {
    const uint64_t page = gva.frame_number();
    const TlbEntry* hit = current_->tlb.find(page);
    TlbEntry entry;
    if (hit != nullptr && mmu_.suffices(*hit, access)) {
        entry = *hit;
        if ((checked_types(page) & type_bit(access.type)) == 0) check(gva, access, entry, By::Translation);
    } else if (!walk(gva, access, entry, fault)) {
        return false;
    }
    mmu_.answer(entry, gva, access, out);
    const uint64_t checked = checked_types(page);
    out.writable = out.writable && (checked & type_bit(AccessType::Write)) != 0;
    out.executable = out.executable && (checked & type_bit(AccessType::Fetch)) != 0;
    return true;
}

// A fault drops what was cached for the address. One that cached entries above it raise is no fault yet:
// those in memory are asked.
bool StrictTlb::walk(Gva gva, Access access, TlbEntry& entry, MmuFault& fault) {
    for (;;) {
        Walker walker(mmu_, Walker::Update::Yes);
        entry = {};
        fault = walker.linear(gva, access, entry);
        if (!fault) {
            current_->tlb.insert(entry);
            tag_->used = true;
            if (walker.used_structures()) {
                check(gva, access, entry, By::Structure);
            } else {
                mark_checked(gva.frame_number(), permitted_types(entry, access));
            }
            return true;
        }
        if (!walker.used_structures()) break;
        forget_structures(gva);
    }
    current_->tlb.erase(gva.frame_number());
    return false;
}

bool StrictTlb::find_physical(Gpa gpa, uint64_t want, std::optional<Gva> gva, NestedPage& out) {
    auto& pages = current_physical_->pages;
    const auto found = pages.find(gpa.frame_number());
    if (found == pages.end()) return false;
    const NestedPage& cached = found->second;
    if ((want & ~uint64_t{cached.rights}) != 0 || ((want & x86::ept::WRITE) != 0 && !cached.dirty)) {
        pages.erase(found);  // what does not permit the access is looked up again, or faults
        return false;
    }
    out = cached;
    out.hpa = Hpa(cached.hpa.value() | gpa.page_offset());
    out.references = 0;
    compare(gpa, want, gva, out, By::Translation);
    return true;
}

void StrictTlb::insert_physical(Gpa gpa, const NestedPage& page) {
    NestedPage cached = page;
    cached.hpa = page.hpa.page();
    current_physical_->pages[gpa.frame_number()] = cached;
}

void StrictTlb::check_physical(Gpa gpa, uint64_t want, std::optional<Gva> gva, const NestedPage& page) {
    compare(gpa, want, gva, page, By::Structure);
}

// -----------------------------------------------------------------------------------------------
// structures

// SDM Vol. 3A "Paging-Structure Caches" (4.10.3). Entries of one mode mean nothing in another.
uint64_t StrictTlb::prefix(unsigned level, Gva gva) const {
    const x86::PagingMode mode = mmu_.paging_mode();
    return (gva.value() >> x86::page_shift(mode, level)) << 3 | static_cast<unsigned>(mode);
}

const GuestStep* StrictTlb::find_structure(unsigned level, Gva gva) const {
    return current_->structures.find(level, prefix(level, gva));
}

void StrictTlb::keep_structure(unsigned level, Gva gva, const GuestStep& step) {
    current_->structures.insert(level, prefix(level, gva), step);
}

void StrictTlb::forget_structures(Gva gva) {
    for (unsigned level = x86::levels(mmu_.paging_mode()); level >= StructureCache<GuestStep>::kLowestLevel;
         --level)
        current_->structures.erase(level, prefix(level, gva));
}

void StrictTlb::keep_ept_structures(Gpa gpa, unsigned leaf_level, const std::array<EptStep, 6>& steps) {
    const unsigned lowest = std::max(leaf_level, StructureCache<EptStep>::kLowestLevel);
    for (unsigned level = x86::Eptp{mmu_.ept().value_or(0)}.walk_length(); level >= lowest; --level)
        current_physical_->structures.insert(level, ept_prefix(level, gpa), steps[level]);
}

void StrictTlb::forget_ept_structures(Gpa gpa) {
    for (unsigned level = x86::Eptp{mmu_.ept().value_or(0)}.walk_length();
         level >= StructureCache<EptStep>::kLowestLevel; --level)
        current_physical_->structures.erase(level, ept_prefix(level, gpa));
}

// -----------------------------------------------------------------------------------------------
// invalidation

template <class Flush>
void StrictTlb::for_vpid(uint16_t vpid, const Flush& flush) {
    for (auto& [key, mappings] : combined_) {
        if (key.vpid == vpid) flush(mappings);
    }
}

void StrictTlb::flush_vpid(uint16_t vpid) {
    for_vpid(vpid, [](Combined& mappings) { mappings.flush_all(); });
    Tag& tag = tags_[vpid];
    tag.used = tag.replaced = false;
}

void StrictTlb::flush_vpid_non_global(uint16_t vpid) {
    for_vpid(vpid, [](Combined& mappings) {
        mappings.tlb.flush_non_global();
        mappings.structures.clear();
    });
}

// Whatever the address, all entries of paging-structure caches go: SDM Vol. 3A "Operations that Invalidate
// TLBs and Paging-Structure Caches" (4.10.4.1).
void StrictTlb::flush_vpid_page(uint16_t vpid, Gva gva) {
    for_vpid(vpid, [gva](Combined& mappings) {
        mappings.tlb.flush_page(gva.frame_number());
        mappings.structures.clear();
    });
}

void StrictTlb::flush_non_global() { flush_vpid_non_global(vpid_); }
void StrictTlb::flush_page(Gva gva) { flush_vpid_page(vpid_, gva); }

// INVVPID leaves VPID 0 alone, but VM entry does not.
void StrictTlb::flush_every_vpid() {
    for (auto& [key, mappings] : combined_) {
        if (key.vpid == 0) continue;
        mappings.flush_all();
        Tag& tag = tags_[key.vpid];
        tag.used = tag.replaced = false;
    }
}

void StrictTlb::flush_ept(std::optional<uint64_t> eptp) {
    const uint64_t root = root_of(eptp);
    for (auto& [key, mappings] : combined_) {
        if (key.root != kNoEpt && (!eptp || (key.root & ~kModeBased) == root)) mappings.flush_all();
    }
    for (auto& [at, mappings] : physical_) {
        if (!eptp || (at & ~kModeBased) == root) mappings.flush_all();
    }
}

}  // namespace vtless::sim
