// SPDX-License-Identifier: MIT
// All that the architecture lets a processor cache, kept until the architecture makes it go: what software
// forgets to invalidate is used each time, and said to be. SDM Vol. 3C "Caching Translation Information"
// (29.4), Vol. 3A "Caching Translation Information" (4.10).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "sim/mmu/access.h"
#include "sim/mmu/nested_walk.h"
#include "sim/mmu/tlb.h"

namespace vtless::sim {

class Mmu;

// A cached translation was used that the tables in memory do not give.
struct StaleUse {
    enum class Missing : uint8_t { Invept, Invvpid, Invlpg };

    // rights: x86::ept's READ, WRITE, EXECUTE; none where nothing is mapped.
    struct Mapping {
        Gpa gpa;
        Hpa hpa;
        uint64_t rights = 0;
    };

    Missing missing{};
    AccessType access{};
    uint16_t vpid = 0;
    bool has_linear = false;  // gva is one
    Gva gva;
    Mapping cached;
    Mapping now;
};

// Holds combined mappings (linear mappings without EPT) by VPID and EPT root, and guest-physical mappings by
// EPT root. PCIDs are not modelled, and neither are paging-structure caches.
class StrictTlb {
  public:
    using Listener = void (*)(void* context, const StaleUse& use);

    StrictTlb(Mmu& mmu, Listener listener, void* context);

    // As Mmu's.
    bool translate(Gva gva, Access access, Translation& out, MmuFault& fault);

    // What the guest-physical mappings say; false where they say nothing, or not enough. gva: for what the
    // walk is, if it has a linear address.
    bool find_physical(Gpa gpa, uint64_t want, std::optional<Gva> gva, NestedPage& out);
    void insert_physical(Gpa gpa, const NestedPage& page);

    // The mappings that are used from now on. owner: whose guest has the VPID.
    void select_ept(std::optional<uint64_t> eptp, bool mode_based_execute);
    void select_vpid(uint16_t vpid, Hpa owner);
    // The hypervisor has given the guest other paging registers.
    void paging_replaced() { tag_->replaced |= tag_->used; }

    // Linear and combined mappings of the current VPID.
    void flush_all() { flush_vpid(vpid_); }
    void flush_non_global();
    void flush_page(Gva gva);
    // The same by INVVPID.
    void flush_vpid(uint16_t vpid);
    void flush_vpid_non_global(uint16_t vpid);
    void flush_vpid_page(uint16_t vpid, Gva gva);
    void flush_every_vpid();
    // INVEPT: combined and guest-physical mappings of this EPT root, or of all.
    void flush_ept(std::optional<uint64_t> eptp);

  private:
    // More than these are forgotten, as a processor may.
    static constexpr size_t kMaxContexts = 64;
    static constexpr uint64_t kNoEpt = ~uint64_t{0};

    struct Key {
        uint16_t vpid = 0;
        uint64_t root = kNoEpt;
        friend auto operator<=>(const Key&, const Key&) = default;  // NOLINT(modernize-use-nullptr)
    };
    struct Tag {
        Hpa owner;
        bool used = false;      // something is cached
        bool replaced = false;  // paging registers or owner, since then
    };
    using PhysicalMappings = std::unordered_map<uint64_t, NestedPage>;

    // In a key's root: what the rights to execute mean.
    static constexpr uint64_t kModeBased = 1;
    static uint64_t root_of(std::optional<uint64_t> eptp);
    void select();
    template <class Flush>
    void for_vpid(uint16_t vpid, const Flush& flush);
    bool walk(Gva gva, Access access, TlbEntry& entry, MmuFault& fault);
    uint64_t checked_types(uint64_t page);
    void mark_checked(uint64_t page, uint64_t types);
    void check(Gva gva, Access access, const TlbEntry& entry);
    uint64_t permitted_types(const TlbEntry& entry, Access access) const;
    void explain(Gva gva, Access access, const TlbEntry& entry, const TlbEntry* now);
    NestedPage ept_now(Gpa gpa, AccessType type) const;
    StaleUse::Mapping describe_now(Gpa gpa) const;

    Mmu& mmu_;
    Listener listener_;
    void* context_;
    uint16_t vpid_ = 0;
    uint64_t root_ = kNoEpt;
    std::map<Key, Tlb> combined_;
    std::map<uint64_t, PhysicalMappings> physical_;
    std::map<uint16_t, Tag> tags_;
    Tag* tag_ = nullptr;  // of vpid_
    Tlb* current_ = nullptr;
    PhysicalMappings* current_physical_ = nullptr;
    // Which types of access to a page were compared with the tables since the generation of Mmu changed: only
    // the first of each is, for how often the engine asks again depends on the host.
    Tlb checked_;
    uint64_t checked_generation_ = 0;
};

}  // namespace vtless::sim
