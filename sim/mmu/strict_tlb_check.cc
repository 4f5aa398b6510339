// SPDX-License-Identifier: MIT
// What StrictTlb has used, compared with what the tables in memory give.
#include "isa/x86/exit_qualification.h"
#include "sim/mmu/mmu.h"
#include "sim/mmu/strict_tlb.h"

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

void StrictTlb::compare(Gpa gpa, uint64_t want, std::optional<Gva> gva, const NestedPage& page, By by) {
    const AccessType type = (want & x86::ept::WRITE) != 0     ? AccessType::Write
                            : (want & x86::ept::EXECUTE) != 0 ? AccessType::Fetch
                                                              : AccessType::Read;
    const NestedPage now = ept_now(gpa, type);
    if (now && now.hpa.page() == page.hpa.page()) return;
    listener_(context_, {StaleUse::Missing::Invept, type, vpid_, gva.has_value(), by == By::Structure,
                         gva.value_or(Gva()), mapping(gpa, page), describe_now(gpa)});
}

// The first time that an access of this type comes to the page since software may have changed a table.
void StrictTlb::check(Gva gva, Access access, const TlbEntry& entry, By by) {
    TlbEntry now;
    Walker walker(mmu_, Walker::Update::No);
    const MmuFault fault = walker.linear(gva, access, now);
    const uint64_t page = gva.frame_number();
    if (fault ? only_flags(fault) : now.hpa_page() == entry.hpa_page()) {
        mark_checked(page, fault ? type_bit(access.type) : permitted_types(now, access));
        return;
    }
    mark_checked(page, type_bit(access.type));
    explain(gva, access, entry, fault ? nullptr : &now, by);
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
void StrictTlb::explain(Gva gva, Access access, const TlbEntry& entry, const TlbEntry* now, By by) {
    StaleUse use;
    use.by_structure = by == By::Structure;
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

}  // namespace vtless::sim
