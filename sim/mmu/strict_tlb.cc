// SPDX-License-Identifier: MIT
#include "sim/mmu/strict_tlb.h"

#include "isa/x86/exit_qualification.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

namespace {

constexpr uint64_t type_bit(AccessType type) { return bit(static_cast<unsigned>(type)); }

// A flag that the fresh walk would have to set, and cannot: the cached translation sets none.
bool only_flags(const MmuFault& fault) {
    using Q = x86::EptViolationQualification;
    constexpr uint64_t kReadable = x86::ept::READ << 3;
    return fault.kind == MmuFault::Kind::EptViolation && (fault.qualification & Q::FINAL_TRANSLATION) == 0 &&
           (fault.qualification & (x86::ept::WRITE | kReadable)) == (x86::ept::WRITE | kReadable);
}

StaleUse::Mapping mapping(Gpa gpa, const NestedPage& page) {
    if (!page) return {gpa.page(), Hpa(), 0};
    return {gpa.page(), page.hpa.page(), page.rights};
}

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
    const TlbEntry* hit = current_->find(page);
    TlbEntry entry;
    if (hit != nullptr && mmu_.suffices(*hit, access)) {
        entry = *hit;
        if ((checked_types(page) & type_bit(access.type)) == 0) check(gva, access, entry);
    } else {
        if (!walk(gva, access, entry, fault)) return false;
        mark_checked(page, permitted_types(entry, access));
    }
    mmu_.answer(entry, gva, access, out);
    const uint64_t checked = checked_types(page);
    out.writable = out.writable && (checked & type_bit(AccessType::Write)) != 0;
    out.executable = out.executable && (checked & type_bit(AccessType::Fetch)) != 0;
    return true;
}

// A fault drops what was cached for the address.
bool StrictTlb::walk(Gva gva, Access access, TlbEntry& entry, MmuFault& fault) {
    ++mmu_.counters_.walks;
    Walker walker(mmu_, Walker::Update::Yes);
    fault = walker.linear(gva, access, entry);
    mmu_.counters_.references += walker.references();
    if (fault) {
        current_->erase(gva.frame_number());
        return false;
    }
    current_->insert(entry);
    tag_->used = true;
    return true;
}

bool StrictTlb::find_physical(Gpa gpa, uint64_t want, std::optional<Gva> gva, NestedPage& out) {
    const auto found = current_physical_->find(gpa.frame_number());
    if (found == current_physical_->end()) return false;
    const NestedPage& cached = found->second;
    if ((want & ~uint64_t{cached.rights}) != 0 || ((want & x86::ept::WRITE) != 0 && !cached.dirty)) {
        current_physical_->erase(found);  // what does not permit the access is looked up again, or faults
        return false;
    }
    out = cached;
    out.hpa = Hpa(cached.hpa.value() | gpa.page_offset());
    out.references = 0;
    const AccessType type = (want & x86::ept::WRITE) != 0     ? AccessType::Write
                            : (want & x86::ept::EXECUTE) != 0 ? AccessType::Fetch
                                                              : AccessType::Read;
    const NestedPage now = ept_now(gpa, type);
    if (!now || now.hpa.page() != out.hpa.page())
        listener_(context_, {StaleUse::Missing::Invept, type, vpid_, gva.has_value(), gva.value_or(Gva()),
                             mapping(gpa, out), describe_now(gpa)});
    return true;
}

void StrictTlb::insert_physical(Gpa gpa, const NestedPage& page) {
    NestedPage cached = page;
    cached.hpa = page.hpa.page();
    (*current_physical_)[gpa.frame_number()] = cached;
}

// --------------------------------------------------------------------------------------- comparison with now

uint64_t StrictTlb::checked_types(uint64_t page) {
    if (checked_generation_ != mmu_.generation()) {
        checked_generation_ = mmu_.generation();
        checked_.flush_all();
    }
    const TlbEntry* found = checked_.find(page);
    return found == nullptr ? 0 : found->gpa_rights;
}

void StrictTlb::mark_checked(uint64_t page, uint64_t types) {
    TlbEntry entry;
    entry.page = page;
    entry.gpa_rights = checked_types(page) | types;
    checked_.insert(entry);
}

uint64_t StrictTlb::permitted_types(const TlbEntry& entry, Access access) const {
    constexpr uint64_t kNeeded[] = {TlbEntry::kEptRead, TlbEntry::kEptWrite, TlbEntry::kEptExecute};
    uint64_t types = type_bit(access.type);
    for (const AccessType type : {AccessType::Read, AccessType::Write, AccessType::Fetch}) {
        Access other = access;
        other.type = type;
        const bool may =
            entry.has(kNeeded[static_cast<size_t>(type)]) && mmu_.protection().allows(entry, other);
        if (may) types |= type_bit(type);
    }
    return types;
}

// The first time that an access of this type comes to the page since software may have changed a table.
void StrictTlb::check(Gva gva, Access access, const TlbEntry& entry) {
    TlbEntry now;
    Walker walker(mmu_, Walker::Update::No);
    const MmuFault fault = walker.linear(gva, access, now);
    const uint64_t page = gva.frame_number();
    if (fault ? only_flags(fault) : now.hpa_page() == entry.hpa_page()) {
        mark_checked(page, fault ? type_bit(access.type) : permitted_types(now, access));
        return;
    }
    mark_checked(page, type_bit(access.type));
    explain(gva, access, entry, fault ? nullptr : &now);
}

StaleUse::Mapping StrictTlb::describe_now(Gpa gpa) const {
    for (const AccessType type : {AccessType::Read, AccessType::Fetch}) {
        if (const NestedPage page = ept_now(gpa, type)) return mapping(gpa, page);
    }
    return mapping(gpa, {});
}

NestedPage StrictTlb::ept_now(Gpa gpa, AccessType type) const {
    NestedPage page;
    TlbEntry entry;
    Walker walker(mmu_, Walker::Update::No);
    if (walker.physical(gpa, type, entry)) return page;
    page.hpa = Hpa(entry.hpa_page());
    page.page_shift = 12;
    page.rights = static_cast<decltype(page.rights)>(entry.gpa_rights >> 4 & x86::ept::RWX);
    return page;
}

// EPT, if it has changed for the guest-physical address that was cached; else the guest's tables.
void StrictTlb::explain(Gva gva, Access access, const TlbEntry& entry, const TlbEntry* now) {
    StaleUse use;
    use.access = access.type;
    use.vpid = vpid_;
    use.has_linear = true;
    use.gva = gva;
    const Gpa gpa(entry.gpa_page());
    use.cached = {gpa, Hpa(entry.hpa_page()), entry.gpa_rights >> 4 & x86::ept::RWX};
    const NestedPage ept = ept_now(gpa, access.type);
    if (root_ != kNoEpt && (!ept || ept.hpa.page() != use.cached.hpa)) {
        use.missing = StaleUse::Missing::Invept;
        use.now = describe_now(gpa);
    } else {
        use.missing = tag_->replaced ? StaleUse::Missing::Invvpid : StaleUse::Missing::Invlpg;
        if (now != nullptr)
            use.now = {Gpa(now->gpa_page()), Hpa(now->hpa_page()), now->gpa_rights >> 4 & x86::ept::RWX};
    }
    listener_(context_, use);
}

// -----------------------------------------------------------------------------------------------
// invalidation

template <class Flush>
void StrictTlb::for_vpid(uint16_t vpid, const Flush& flush) {
    for (auto& [key, tlb] : combined_) {
        if (key.vpid == vpid) flush(tlb);
    }
}

void StrictTlb::flush_vpid(uint16_t vpid) {
    for_vpid(vpid, [](Tlb& tlb) { tlb.flush_all(); });
    Tag& tag = tags_[vpid];
    tag.used = tag.replaced = false;
}

void StrictTlb::flush_vpid_non_global(uint16_t vpid) {
    for_vpid(vpid, [](Tlb& tlb) { tlb.flush_non_global(); });
}

void StrictTlb::flush_vpid_page(uint16_t vpid, Gva gva) {
    for_vpid(vpid, [gva](Tlb& tlb) { tlb.flush_page(gva.frame_number()); });
}

void StrictTlb::flush_non_global() { flush_vpid_non_global(vpid_); }
void StrictTlb::flush_page(Gva gva) { flush_vpid_page(vpid_, gva); }

// INVVPID leaves VPID 0 alone, but VM entry does not.
void StrictTlb::flush_every_vpid() {
    for (auto& [key, tlb] : combined_) {
        if (key.vpid == 0) continue;
        tlb.flush_all();
        Tag& tag = tags_[key.vpid];
        tag.used = tag.replaced = false;
    }
}

void StrictTlb::flush_ept(std::optional<uint64_t> eptp) {
    const uint64_t root = root_of(eptp);
    for (auto& [key, tlb] : combined_) {
        if (key.root != kNoEpt && (!eptp || (key.root & ~kModeBased) == root)) tlb.flush_all();
    }
    for (auto& [at, mappings] : physical_) {
        if (!eptp || (at & ~kModeBased) == root) mappings.clear();
    }
}

}  // namespace vtless::sim
