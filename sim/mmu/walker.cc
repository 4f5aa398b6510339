// SPDX-License-Identifier: MIT
#include "sim/mmu/walker.h"

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

uint64_t wanted(AccessType type) {
    switch (type) {
        case AccessType::Read:
            return ept::READ;
        case AccessType::Write:
            return ept::WRITE;
        case AccessType::Fetch:
            return ept::EXECUTE;
    }
    return ept::RWX;
}

template <class T>
uint64_t load(const HostMemory& memory, Hpa hpa) {
    T value = static_cast<T>(~T{0});
    if (memory.contains(hpa, sizeof(T))) std::memcpy(&value, memory.base() + hpa.value(), sizeof(T));
    return value;
}

template <class T>
T load_within(const HostMemory& memory, uint64_t address) {
    T value;
    std::memcpy(&value, memory.base() + address, sizeof(T));
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
      eptp_{mmu.ept().value_or(0)},
      ept_enabled_(mmu.ept().has_value()),
      ept_reserved_(~bit_range(mmu.ept_features().physical_bits - 1, 0) & ept::kAddress) {}

bool Walker::refuse(MmuFault::Kind kind, Gpa gpa, uint64_t qualification) {
    fault_.kind = kind;
    fault_.gpa = gpa;
    fault_.qualification = qualification;
    return false;
}

// The walk where nothing is amiss and no flag is to be set, four levels of readable entries: one test of each
// says so. False where the rules have to be looked at one by one; nothing has been counted or changed then.
bool Walker::nested_as_usual(Gpa gpa, uint64_t want, Nested& out) {
    const x86::EptFeatures& features = mmu_.ept_features();
    const bool flags = eptp_.accessed_dirty();
    if (eptp_.walk_length() != 4 || (gpa.value() >> ept::page_shift(5)) != 0) return false;
    if (flags && (want & ept::WRITE) != 0) want |= ept::DIRTY;
    const uint64_t needed = ept::READ | (flags ? ept::ACCESSED : 0);
    uint64_t table = eptp_.root();
    uint64_t rights = ept::RWX;
    uint64_t leaf = 0;
    unsigned level = 4;
    for (;; --level) {
        const uint64_t address = table + ept::table_index(level, gpa.value()) * uint64_t{8};
        if (address >= memory_.size()) return false;
        const auto entry = load_within<uint64_t>(memory_, address);
        if ((entry & needed) != needed || (entry & ept_reserved_) != 0) return false;
        rights &= entry;
        leaf = entry;
        if (level == 1) break;
        if ((entry & ept::LARGE) != 0) {
            const bool allowed = (level == 2 && features.page_2m) || (level == 3 && features.page_1g);
            if (!allowed || (entry & bit_range(ept::page_shift(level) - 1, 12)) != 0) return false;
            break;
        }
        if ((entry & bit_range(6, 3)) != 0) return false;
        table = entry & ept::kAddress;
    }
    if ((want & ~(rights | (leaf & ept::DIRTY))) != 0) return false;
    if (!ept::is_valid_memory_type(Field<5, 3>::get(leaf))) return false;
    references_ += 5 - level;
    out.hpa = Hpa(ept::leaf_address(level, leaf) | (gpa.value() & (bit(ept::page_shift(level)) - 1)));
    out.rights = static_cast<uint8_t>(rights);
    out.shift = static_cast<uint8_t>(ept::page_shift(level));
    out.dirty = !flags || (leaf & ept::DIRTY) != 0;
    return true;
}

bool Walker::nested(Gpa gpa, uint64_t want, Nested& out) {
    if (!ept_enabled_) {
        out = {Hpa(gpa.value()), static_cast<uint8_t>(ept::RWX), static_cast<uint8_t>(kNoEptShift), true};
        return true;
    }
    if (nested_as_usual(gpa, want, out)) return true;
    auto read_entry = [this](unsigned level, Hpa hpa) {
        ++references_;
        ept_addresses_[level] = hpa;
        return ept_entries_[level] = load<uint64_t>(memory_, hpa);
    };
    const x86::EptWalk walk = x86::ept_walk(eptp_, gpa, mmu_.ept_features(), read_entry);
    if (walk.end == x86::EptWalk::End::MISCONFIGURED)
        return refuse(MmuFault::Kind::EptMisconfiguration, gpa, 0);
    if (walk.end == x86::EptWalk::End::NOT_PRESENT || (want & ~uint64_t{walk.rights}) != 0)
        return refuse(MmuFault::Kind::EptViolation, gpa, want | uint64_t{walk.rights} << 3);

    const bool write = (want & ept::WRITE) != 0;
    if (eptp_.accessed_dirty()) set_ept_flags(walk.level, write);
    out.hpa = walk.hpa;
    out.rights = walk.rights;
    out.shift = walk.page_shift;
    out.dirty = !eptp_.accessed_dirty() || write || (walk.leaf & ept::DIRTY) != 0;
    return true;
}

// SDM Vol. 3C "Accessed and Dirty Flags for EPT" (29.3.5).
void Walker::set_ept_flags(unsigned leaf_level, bool write) {
    if (!update_) return;
    for (unsigned level = eptp_.walk_length(); level >= leaf_level; --level) {
        const uint64_t flags = ept::ACCESSED | (level == leaf_level && write ? ept::DIRTY : 0);
        if ((ept_entries_[level] & flags) != flags) set_flags(memory_, ept_addresses_[level], flags);
    }
}

bool Walker::read_guest_entry(unsigned level, Gpa gpa, uint64_t& entry) {
    // With accessed and dirty flags for EPT, these reads count as writes (SDM Vol. 3C 29.3.3.2).
    const uint64_t want = ept::READ | (ept_enabled_ && eptp_.accessed_dirty() ? ept::WRITE : 0);
    Nested page;
    if (!nested(gpa, want, page)) return false;
    ++references_;
    entry = guest_entry_bytes_ == 4 ? load<uint32_t>(memory_, page.hpa) : load<uint64_t>(memory_, page.hpa);
    guest_steps_[level] = {entry, gpa, page.hpa, page.rights};
    return true;
}

bool Walker::set_guest_flags(unsigned leaf_level, bool write) {
    for (unsigned level = top_level_; level >= leaf_level; --level) {
        const GuestStep& step = guest_steps_[level];
        const uint64_t flags = pte::A | (level == leaf_level && write ? pte::D : 0);
        if ((step.entry & flags) == flags) continue;
        if ((step.ept_rights & ept::WRITE) == 0)
            return refuse(MmuFault::Kind::EptViolation, step.gpa,
                          Qualification::WRITE | uint64_t{step.ept_rights} << 3);
        if (update_) set_flags(memory_, step.hpa, flags);
    }
    return true;
}

bool Walker::finish(Gpa gpa, AccessType type, TlbEntry& entry) {
    Nested page;
    if (!nested(gpa, wanted(type), page)) return false;
    entry.gpa_rights |= gpa.page().value() | uint64_t{page.rights} << 4 |
                        (page.dirty ? TlbEntry::kEptDirty : 0) |
                        (memory_.contains(page.hpa, 1) ? TlbEntry::kBacked : 0);
    entry.hpa_shifts |= page.hpa.page().value() | uint64_t{page.shift} << 6;
    return true;
}

MmuFault Walker::physical(Gpa gpa, AccessType type, TlbEntry& entry) {
    entry.gpa_rights = TlbEntry::kUser | TlbEntry::kWritable | TlbEntry::kExecutable | TlbEntry::kDirty;
    entry.hpa_shifts = 12;
    finish(gpa, type, entry);
    return fault_;
}

MmuFault Walker::linear(Gva gva, Access access, TlbEntry& entry) {
    const x86::GuestRoot root{mmu_.paging_mode(), mmu_.paging().cr3, mmu_.paging().pdptes.data()};
    const bool paging = root.mode != x86::PagingMode::NONE;
    top_level_ = root.mode == x86::PagingMode::PAE ? 2 : x86::levels(root.mode);
    guest_entry_bytes_ = x86::entry_bytes(root.mode);
    fault_.gva = gva;

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
            if (!finish(walk.gpa, access.type, entry) && fault_.kind == MmuFault::Kind::EptViolation)
                fault_.qualification |=
                    Qualification::LINEAR_ADDRESS_VALID | Qualification::FINAL_TRANSLATION;
            return fault_;
        }
    }
    fault_.kind = MmuFault::Kind::PageFault;
    fault_.error_code = mmu_.protection().error_code(access, cause);
    return fault_;
}

}  // namespace vtless::sim
