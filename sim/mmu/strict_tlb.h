// SPDX-License-Identifier: MIT
// All that the architecture lets a processor cache, kept until the architecture makes it go: what software
// forgets to invalidate is used each time, and said to be. SDM Vol. 3C "Caching Translation Information"
// (29.4), Vol. 3A "Caching Translation Information" (4.10).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "sim/mmu/access.h"
#include "sim/mmu/nested_walk.h"
#include "sim/mmu/structure_cache.h"
#include "sim/mmu/tlb.h"
#include "sim/mmu/walker.h"

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
    bool has_linear = false;    // gva is one
    bool by_structure = false;  // the page itself was not cached, but an entry
                                // above it, or of a large page
    Gva gva;
    Mapping cached;
    Mapping now;
};

// Holds combined mappings (linear mappings without EPT) by VPID and EPT root, and guest-physical mappings by
// EPT root: translations, and the entries above them (paging-structure caches). Of large pages the entry is
// held, so that all of the page is translated by it. There are no PCIDs: the engine has no CR4.PCIDE.
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
    // Whether EPT in memory gives what cached entries gave.
    void check_physical(Gpa gpa, uint64_t want, std::optional<Gva> gva, const NestedPage& page);

    // Entries of the paging structures, by what of the address a walk finds them by.
    const GuestStep* find_structure(unsigned level, Gva gva) const;
    void keep_structure(unsigned level, Gva gva, const GuestStep& step);
    const EptStep* find_ept_structure(unsigned level, Gpa gpa) const {
        return current_physical_->structures.find(level, ept_prefix(level, gpa));
    }
    void keep_ept_structures(Gpa gpa, unsigned leaf_level, const std::array<EptStep, 6>& steps);
    void forget_ept_structures(Gpa gpa);

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
    struct Combined {
        Tlb tlb;
        StructureCache<GuestStep> structures;

        void flush_all() {
            tlb.flush_all();
            structures.clear();
        }
    };
    struct Physical {
        std::unordered_map<uint64_t, NestedPage> pages;
        StructureCache<EptStep> structures;

        void flush_all() {
            pages.clear();
            structures.clear();
        }
    };

    // In a key's root: what the rights to execute mean.
    static constexpr uint64_t kModeBased = 1;
    static uint64_t root_of(std::optional<uint64_t> eptp);
    void select();
    template <class Flush>
    void for_vpid(uint16_t vpid, const Flush& flush);
    enum class By : bool { Translation, Structure };
    static uint64_t ept_prefix(unsigned level, Gpa gpa) { return gpa.value() >> x86::ept::page_shift(level); }
    uint64_t prefix(unsigned level, Gva gva) const;
    void forget_structures(Gva gva);
    bool walk(Gva gva, Access access, TlbEntry& entry, MmuFault& fault);
    uint64_t checked_types(uint64_t page);
    void mark_checked(uint64_t page, uint64_t types);
    void check(Gva gva, Access access, const TlbEntry& entry, By by);
    uint64_t permitted_types(const TlbEntry& entry, Access access) const;
    void explain(Gva gva, Access access, const TlbEntry& entry, const TlbEntry* now, By by);
    void compare(Gpa gpa, uint64_t want, std::optional<Gva> gva, const NestedPage& page, By by);
    NestedPage ept_now(Gpa gpa, AccessType type) const;
    StaleUse::Mapping describe_now(Gpa gpa) const;

    Mmu& mmu_;
    Listener listener_;
    void* context_;
    uint16_t vpid_ = 0;
    uint64_t root_ = kNoEpt;
    std::map<Key, Combined> combined_;
    std::map<uint64_t, Physical> physical_;
    std::map<uint16_t, Tag> tags_;
    Tag* tag_ = nullptr;  // of vpid_
    Combined* current_ = nullptr;
    Physical* current_physical_ = nullptr;
    // Which types of access to a page were compared with the tables since the generation of Mmu changed: only
    // the first of each is, for how often the engine asks again depends on the host.
    Tlb checked_;
    uint64_t checked_generation_ = 0;
};

}  // namespace vtless::sim
