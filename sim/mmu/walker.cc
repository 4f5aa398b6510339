// SPDX-License-Identifier: MIT
#include "sim/mmu/walker.h"

#include <algorithm>
#include <cstring>

#include "isa/x86/exception.h"
#include "isa/x86/exit_qualification.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

namespace ept = x86::ept;
namespace pte = x86::pte;
using Qualification = x86::EptViolationQualification;

namespace {

constexpr unsigned kNoEptShift = 52;  // without EPT no page of it is smaller than the guest's

template <class T>
uint64_t load(const HostMemory& memory, Hpa hpa) {
    T value = static_cast<T>(~T{0});
    if (memory.contains(hpa, sizeof(T))) std::memcpy(&value, memory.base() + hpa.value(), sizeof(T));
    return value;
}

// Little-endian, so that the low byte pair of an entry of either width holds its flags.
void set_flags(const HostMemory& memory, Hpa hpa, uint64_t flags) {
    uint16_t low;
    if (!memory.contains(hpa, sizeof(low))) return;
    std::memcpy(&low, memory.base() + hpa.value(), sizeof(low));
    low = static_cast<uint16_t>(low | flags);
    std::memcpy(memory.base() + hpa.value(), &low, sizeof(low));
    memory.note_write(hpa, sizeof(low));
}

}  // namespace

GuestProtection GuestProtection::of(const PagingState& paging) {
    GuestProtection result;
    result.paging = (paging.cr0 & x86::cr0::PG) != 0;
    result.write_protect = (paging.cr0 & x86::cr0::WP) != 0;
    result.smep = (paging.cr4 & x86::cr4::SMEP) != 0;
    result.smap = (paging.cr4 & x86::cr4::SMAP) != 0;
    result.fetch_in_error_code =
        result.smep || ((paging.cr4 & x86::cr4::PAE) != 0 && (paging.efer & x86::efer::NXE) != 0);
    return result;
}

uint32_t GuestProtection::error_code(Access access, uint32_t cause) const {
    uint32_t code = cause;
    if (access.type == AccessType::Write) code |= x86::page_fault::WR;
    if (access.user) code |= x86::page_fault::US;
    if (access.type == AccessType::Fetch && fetch_in_error_code) code |= x86::page_fault::ID;
    return code;
}

Walker::Walker(const Mmu& mmu, Update update)
    : mmu_(mmu),
      memory_(mmu.memory()),
      update_(update == Update::Yes),
      strict_(update_ ? mmu.strict() : nullptr),
      nested_(mmu.nested_walk()),
      ept_enabled_(mmu.ept().has_value()) {}

bool Walker::nested(Gpa gpa, uint64_t want, NestedPage& out) {
    if (!ept_enabled_) {
        out.hpa = Hpa(gpa.value());
        out.page_shift = kNoEptShift;
        return true;
    }
    if (strict_ == nullptr) return walk_ept(gpa, want, out);
    const std::optional<Gva> gva = linear_ ? std::optional(fault_.gva) : std::nullopt;
    if (strict_->find_physical(gpa, want, gva, out)) return true;
    if (!walk_ept_strictly(gpa, want, out)) return false;
    strict_->insert_physical(gpa, out);
    if (used_ept_structures_) strict_->check_physical(gpa, want, gva, out);
    return true;
}

bool Walker::walk_ept(Gpa gpa, uint64_t want, NestedPage& out) {
    out = nested_.usual(gpa, want);
    if (out) {
        references_ += out.references;
        return true;
    }
    return walk_ept_by_the_rules(gpa, want, out);
}

// What cached entries do not permit is looked up in memory.
bool Walker::walk_ept_strictly(Gpa gpa, uint64_t want, NestedPage& out) {
    const MmuFault before = fault_;
    used_ept_structures_ = false;
    bool permitted = walk_ept_by_the_rules(gpa, want, out);
    if (!permitted && used_ept_structures_) {
        strict_->forget_ept_structures(gpa);
        fault_ = before;
        used_ept_structures_ = false;
        permitted = walk_ept_by_the_rules(gpa, want, out);
    }
    return permitted;
}

bool Walker::walk_ept_by_the_rules(Gpa gpa, uint64_t want, NestedPage& out) {
    auto read_entry = [&](unsigned level, Hpa hpa) {
        if (use_ept_structure(level, gpa, want)) return ept_steps_[level].entry;
        ++references_;
        ept_steps_[level] = {nested_.load(hpa), hpa};
        return ept_steps_[level].entry;
    };
    const x86::EptWalk walk = x86::ept_walk(nested_.eptp(), gpa, mmu_.ept_features(), read_entry);
    if (!NestedWalk::permits(walk, gpa, want, fault_)) return false;

    const bool flags = nested_.eptp().accessed_dirty();
    const bool write = (want & ept::WRITE) != 0;
    if (flags && update_ && !set_ept_flags(gpa, walk.level, write)) return false;
    if (strict_ != nullptr) strict_->keep_ept_structures(gpa, walk.level, ept_steps_);
    out.hpa = walk.hpa;
    out.rights = walk.rights;
    out.suppress_ve = (walk.leaf & ept::SUPPRESS_VE) != 0;
    out.page_shift = walk.page_shift;
    out.dirty = !flags || write || (walk.leaf & ept::DIRTY) != 0;
    return true;
}

// A store through a large page that is not dirty looks at the entry again.
bool Walker::use_ept_structure(unsigned level, Gpa gpa, uint64_t want) {
    const EptStep* cached = strict_ == nullptr ? nullptr : strict_->find_ept_structure(level, gpa);
    if (cached == nullptr) return false;
    const bool makes_dirty = nested_.eptp().accessed_dirty() && (want & ept::WRITE) != 0 &&
                             ept::is_leaf(level, cached->entry) && (cached->entry & ept::DIRTY) == 0;
    if (makes_dirty) return false;
    ept_steps_[level] = *cached;
    used_ept_structures_ = true;
    return true;
}

// SDM Vol. 3C "Accessed and Dirty Flags for EPT" (29.3.5), "Page-Modification Logging" (29.3.6): with a full
// log no flag is set, and the access does not happen.
bool Walker::set_ept_flags(Gpa gpa, unsigned leaf_level, bool write) {
    const PageModificationLog& log = mmu_.modification_log();
    for (unsigned level = nested_.eptp().walk_length(); level >= leaf_level; --level) {
        const uint64_t flags = ept::ACCESSED | (level == leaf_level && write ? ept::DIRTY : 0);
        if ((ept_steps_[level].entry & flags) == flags) continue;
        if (log.full()) {
            fault_.kind = MmuFault::Kind::PageModificationLogFull;
            fault_.gpa = gpa;
            return false;
        }
        set_flags(memory_, ept_steps_[level].at, flags);
    }
    if (write && (ept_steps_[leaf_level].entry & ept::DIRTY) == 0) log.append(memory_, gpa);
    for (unsigned level = nested_.eptp().walk_length(); level >= leaf_level; --level)
        ept_steps_[level].entry |= ept::ACCESSED | (level == leaf_level && write ? ept::DIRTY : 0);
    return true;
}

// SDM Vol. 3C "Guest-Physical Accesses to the APIC-Access Page" (30.4.6.1). Without EPT the access is a
// physical one, which need not exit.
bool Walker::is_apic_access(Gpa gpa, Hpa hpa) {
    if (!ept_enabled_ || !mmu_.is_apic_access_page(hpa)) return false;
    fault_.kind = MmuFault::Kind::ApicAccess;
    fault_.gpa = gpa;
    fault_.qualification =
        x86::ApicAccessQualification{0, x86::ApicAccessType::PHYSICAL_FETCH_OR_EXECUTION, false}.encode();
    return true;
}

bool Walker::use_structure(unsigned level) {
    const GuestStep* cached = strict_ == nullptr ? nullptr : strict_->find_structure(level, fault_.gva);
    if (cached == nullptr) return false;
    const bool leaf = x86::is_leaf(mmu_.paging_mode(), level, cached->entry, mmu_.paging_features());
    if (leaf && write_ && (cached->entry & pte::D) == 0) return false;
    guest_steps_[level] = *cached;
    used_structures_ = true;
    return true;
}

// Whose flags are set now.
void Walker::keep_structures(unsigned leaf_level) {
    for (unsigned level = std::max(leaf_level, StructureCache<GuestStep>::kLowestLevel); level <= top_level_;
         ++level) {
        GuestStep step = guest_steps_[level];
        step.entry |= pte::A | (level == leaf_level && write_ ? pte::D : 0);
        strict_->keep_structure(level, fault_.gva, step);
    }
}

bool Walker::read_guest_entry(unsigned level, Gpa gpa, uint64_t& entry) {
    if (use_structure(level)) {
        entry = guest_steps_[level].entry;
        return true;
    }
    NestedPage page;
    if (!nested(gpa, nested_.wanted_of_tables(), page) || is_apic_access(gpa, page.hpa)) return false;
    ++references_;
    entry = guest_entry_bytes_ == 4 ? load<uint32_t>(memory_, page.hpa) : load<uint64_t>(memory_, page.hpa);
    guest_steps_[level] = {entry, gpa, page.hpa, page.rights, page.suppress_ve};
    return true;
}

bool Walker::set_guest_flags(unsigned leaf_level, bool write) {
    for (unsigned level = top_level_; level >= leaf_level; --level) {
        const GuestStep& step = guest_steps_[level];
        const uint64_t flags = pte::A | (level == leaf_level && write ? pte::D : 0);
        if ((step.entry & flags) == flags) continue;
        if ((step.ept_rights & ept::WRITE) == 0) {
            fault_.kind = MmuFault::Kind::EptViolation;
            fault_.gpa = step.gpa;
            fault_.qualification = violation_of(ept::WRITE, step.ept_rights);
            fault_.suppress_ve = step.suppress_ve;
            return false;
        }
        if (update_) set_flags(memory_, step.hpa, flags);
    }
    return true;
}

bool Walker::finish(Gpa gpa, AccessType type, TlbEntry& entry) {
    NestedPage page;
    // SDM Vol. 3C "EPT Translation Mechanism" (29.3.2): which right to execute counts is up to the linear
    // address.
    const bool user_execute = mmu_.ept_features().mode_based_execute && entry.has(TlbEntry::kUser);
    const bool by_user = user_execute && type == AccessType::Fetch;
    if (!nested(gpa, by_user ? ept::USER_EXECUTE : wanted(type), page)) return false;
    if (user_execute) {
        const bool executable = (page.rights & ept::USER_EXECUTE) != 0;
        page.rights = static_cast<uint16_t>((page.rights & ~ept::EXECUTE) | (executable ? ept::EXECUTE : 0));
    }
    add_nested_page(entry, gpa, page, memory_);
    return true;
}

// SDM Vol. 3C table 28-7, bits 11:9.
uint64_t linear_rights(const Mmu& mmu, const TlbEntry& entry) {
    if (!mmu.config().ept_advanced_information) return 0;
    return (entry.has(TlbEntry::kUser) ? Qualification::USER_LINEAR_ADDRESS : 0) |
           (entry.has(TlbEntry::kWritable) ? Qualification::LINEAR_ADDRESS_WRITABLE : 0) |
           (entry.has(TlbEntry::kExecutable) ? 0 : Qualification::LINEAR_ADDRESS_EXECUTE_DISABLED);
}

MmuFault Walker::physical(Gpa gpa, AccessType type, TlbEntry& entry) {
    entry.gpa_rights = TlbEntry::kUser | TlbEntry::kWritable | TlbEntry::kExecutable | TlbEntry::kDirty;
    entry.hpa_shifts = 12;
    if (finish(gpa, type, entry)) (void)is_apic_access(gpa, Hpa(entry.hpa_page()));
    return fault_;
}

MmuFault Walker::linear(Gva gva, Access access, TlbEntry& entry) {
    const x86::GuestRoot root{mmu_.paging_mode(), mmu_.paging().cr3, mmu_.paging().pdptes.data()};
    const bool paging = root.mode != x86::PagingMode::NONE;
    top_level_ = root.mode == x86::PagingMode::PAE ? 2 : x86::levels(root.mode);
    guest_entry_bytes_ = x86::entry_bytes(root.mode);
    fault_.gva = gva;
    linear_ = true;
    write_ = access.type == AccessType::Write;

    auto read_entry = [this](unsigned level, Gpa gpa, uint64_t& value) {
        return read_guest_entry(level, gpa, value);
    };
    const x86::GuestWalk walk = x86::guest_walk(root, gva, mmu_.paging_features(), read_entry);
    uint32_t cause = x86::page_fault::P;
    switch (walk.end) {
        case x86::GuestWalk::End::UNREADABLE:
            if (fault_.kind == MmuFault::Kind::EptViolation)
                fault_.qualification |= Qualification::LINEAR_ADDRESS_VALID;
            return fault_;
        case x86::GuestWalk::End::NOT_PRESENT:
            cause = 0;
            break;
        case x86::GuestWalk::End::RESERVED:
            cause |= x86::page_fault::RSVD;
            break;
        case x86::GuestWalk::End::MAPPED: {
            const bool write = access.type == AccessType::Write;
            const bool dirty = !paging || write || (guest_steps_[walk.level].entry & pte::D) != 0;
            const bool global = walk.global && (mmu_.paging().cr4 & x86::cr4::PGE) != 0;
            entry.page = gva.frame_number();
            entry.gpa_rights = (walk.user ? TlbEntry::kUser : 0) | (walk.writable ? TlbEntry::kWritable : 0) |
                               (walk.executable ? TlbEntry::kExecutable : 0) |
                               (dirty ? TlbEntry::kDirty : 0) | (global ? TlbEntry::kGlobal : 0);
            entry.hpa_shifts = walk.page_shift;
            if (!mmu_.protection().allows(entry, access)) break;
            if (paging && !set_guest_flags(walk.level, write)) {
                fault_.qualification |= Qualification::LINEAR_ADDRESS_VALID;
                return fault_;
            }
            const bool finished = finish(walk.gpa, access.type, entry);
            if (finished && paging && strict_ != nullptr) keep_structures(walk.level);
            if (!finished && fault_.kind == MmuFault::Kind::EptViolation)
                fault_.qualification |= Qualification::LINEAR_ADDRESS_VALID |
                                        Qualification::FINAL_TRANSLATION | linear_rights(mmu_, entry);
            return fault_;
        }
    }
    fault_.kind = MmuFault::Kind::PageFault;
    fault_.error_code = mmu_.protection().error_code(access, cause);
    return fault_;
}

}  // namespace vtless::sim
