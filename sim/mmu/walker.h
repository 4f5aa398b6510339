// SPDX-License-Identifier: MIT
// One two-dimensional walk: the guest's tables, each of whose entries EPT translates, then the page itself.
#pragma once

#include <array>
#include <cstdint>

#include "isa/x86/guest_walk.h"
#include "sim/mmu/access.h"
#include "sim/mmu/host_memory.h"
#include "sim/mmu/nested_walk.h"
#include "sim/mmu/tlb.h"

namespace vtless::sim {

class Mmu;
class StrictTlb;

// Whether the guest's paging lets the access through. Rights are TlbEntry's.
struct GuestProtection {
    bool paging = false;
    bool write_protect = false;  // CR0.WP
    bool smep = false;
    bool smap = false;
    bool fetch_in_error_code = false;  // SDM Vol. 3A "Page-Fault Exceptions" (4.7), I/D flag

    static GuestProtection of(const PagingState& paging);
    inline bool allows(const TlbEntry& entry, Access access) const;
    uint32_t error_code(Access access, uint32_t cause) const;
};

// SDM Vol. 3A "Determination of Access Rights" (4.6.1).
inline bool GuestProtection::allows(const TlbEntry& entry, Access access) const {
    if (!paging) return true;
    const bool user_page = entry.has(TlbEntry::kUser);
    if (access.user && !user_page) return false;
    if (access.type == AccessType::Fetch)
        return entry.has(TlbEntry::kExecutable) && !(smep && !access.user && user_page);
    if (smap && !access.user && user_page && (access.implicit || !access.ac_flag)) return false;
    if (access.type == AccessType::Read) return true;
    return entry.has(TlbEntry::kWritable) || (!access.user && !write_protect);
}

// Of a fault of the page itself: what the guest's paging says of the linear address, where the processor
// reports that.
uint64_t linear_rights(const Mmu& mmu, const TlbEntry& entry);

// A step of the guest's half of a walk: an entry, and where it is.
struct GuestStep {
    uint64_t entry = 0;
    Gpa gpa;
    Hpa hpa;
    uint64_t ept_rights = 0;
    bool suppress_ve = false;
};

// One of EPT's half.
struct EptStep {
    uint64_t entry = 0;
    Hpa at;
};

// Lives for one walk. Entries are read straight from host memory; accessed and dirty bits are set only with
// `update`, and only once the guest's paging permits the access, top level first.
class Walker {
  public:
    enum class Update : bool { No, Yes };

    Walker(const Mmu& mmu, Update update);

    MmuFault linear(Gva gva, Access access, TlbEntry& entry);
    // The qualification's bits 7 and 8 stay clear.
    MmuFault physical(Gpa gpa, AccessType type, TlbEntry& entry);
    uint64_t references() const { return references_; }
    // Whether the guest's half took entries from a cache, not from memory.
    bool used_structures() const { return used_structures_; }

  private:
    bool nested(Gpa gpa, uint64_t want, NestedPage& out);
    bool walk_ept(Gpa gpa, uint64_t want, NestedPage& out);
    bool walk_ept_strictly(Gpa gpa, uint64_t want, NestedPage& out);
    bool walk_ept_by_the_rules(Gpa gpa, uint64_t want, NestedPage& out);
    bool use_ept_structure(unsigned level, Gpa gpa, uint64_t want);
    bool use_structure(unsigned level);
    void keep_structures(unsigned leaf_level);
    bool set_ept_flags(Gpa gpa, unsigned leaf_level, bool write);
    bool is_apic_access(Gpa gpa, Hpa hpa);
    bool read_guest_entry(unsigned level, Gpa gpa, uint64_t& entry);
    bool set_guest_flags(unsigned leaf_level, bool write);
    bool finish(Gpa gpa, AccessType type, TlbEntry& entry);

    const Mmu& mmu_;
    const HostMemory& memory_;
    const bool update_;
    StrictTlb* const strict_;  // which caches what EPT says; or nullptr
    bool linear_ = false;      // the walk is of a linear address
    const NestedWalk& nested_;
    bool ept_enabled_;
    unsigned top_level_ = 0;  // of the guest's walk in memory
    unsigned guest_entry_bytes_ = 8;
    uint64_t references_ = 0;
    MmuFault fault_;
    bool write_ = false;  // the access of the linear address is one
    bool used_structures_ = false;
    bool used_ept_structures_ = false;      // the nested walk under way
    std::array<GuestStep, 6> guest_steps_;  // by level
    std::array<EptStep, 6> ept_steps_;      // of the nested walk under way, by level
};

}  // namespace vtless::sim
