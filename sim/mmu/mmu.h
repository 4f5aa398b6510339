// SPDX-License-Identifier: MIT
// Linear-address translation of one logical processor: guest paging on top of EPT, with a TLB of its own.
// SDM Vol. 3A "Paging" (4), Vol. 3C "The Extended Page Table Mechanism (EPT)" (29.3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sim/mmu/access.h"
#include "sim/mmu/host_memory.h"
#include "sim/mmu/page_modification_log.h"
#include "sim/mmu/refused_walk.h"
#include "sim/mmu/strict_tlb.h"
#include "sim/mmu/table_cache.h"
#include "sim/mmu/tlb.h"
#include "sim/mmu/walker.h"

namespace vtless::sim {

class DataWatch;

struct MmuConfig {
    unsigned physical_address_bits = 40;  // MAXPHYADDR, 32 to 52
    bool guest_1g_pages = true;
    bool ept_execute_only = true;
    bool ept_page_2m = true;
    bool ept_page_1g = true;
    bool ept_advanced_information = false;  // IA32_VMX_EPT_VPID_CAP bit 22
};

// The TLB is unbounded and changes only by accesses and flushes of the guest, never by the engine's need to
// fill its own TLB again: an access that was translated once gives the same answer, and sets no accessed or
// dirty bit again, until a flush, or until an access needs a permission that the cached answer lacks (that
// walks again before it faults). No table that the guest can build does more than fault.
class Mmu {
  public:
    // The longest access of read, write and fetch, in bytes.
    static constexpr size_t kMaxAccess = HostMemory::kFrameSize;

    explicit Mmu(HostMemory& memory, const MmuConfig& config = {});
    Mmu(const Mmu&) = delete;
    Mmu& operator=(const Mmu&) = delete;
    ~Mmu();

    HostMemory& memory() const { return *memory_; }
    const MmuConfig& config() const { return config_; }

    // Neither call flushes, but for set_ept with another EPTP, whose mappings are others, or with another
    // meaning of its rights. The EPTP is one that VM entry accepts: 4 or 5 levels.
    void set_paging(const PagingState& paging);
    const PagingState& paging() const { return paging_; }
    void set_ept(std::optional<uint64_t> eptp, bool mode_based_execute = false);
    std::optional<uint64_t> ept() const { return eptp_; }
    void set_modification_log(const PageModificationLog& log) { log_ = log; }
    const PageModificationLog& modification_log() const { return log_; }
    // Accesses to this page are faults, whether a linear address or a walk of the guest's tables through EPT
    // leads there. Another page than before flushes.
    void set_apic_access_page(std::optional<Hpa> page);
    bool is_apic_access_page(Hpa hpa) const { return hpa.page().value() == apic_access_page_; }
    // Whether the guest's tables may be read without a look at what they lie in.
    bool has_plain_tables() const { return plain_tables_; }
    // Width of a canonical linear address: 48 or 57 in IA-32e mode, else 32.
    unsigned linear_address_bits() const { return linear_bits_; }

    // Linear addresses outside IA-32e mode are cut to 32 bits.
    MmuFault translate(Gva gva, Access access, Translation& out);
    // The same where the fault is to be kept: false when there is one; else what `fault` holds means nothing.
    bool translate(Gva gva, Access access, Translation& out, MmuFault& fault);
    // As translate where that would find the answer cached: `cached`. Else as probe. For code that is
    // translated before it runs. Of a strict TLB that is not what stale tables would give.
    bool foresee(Gva gva, Access access, Translation& out, MmuFault& fault, bool& cached);
    // Whether an access would be translated without a walk that is counted.
    bool holds(Gva gva, Access access) const;
    // As translate, but sets no accessed or dirty bit, and neither uses nor fills the TLB. For decoders and
    // debuggers. `writable` then means that a store is permitted.
    MmuFault probe(Gva gva, Access access, Translation& out) const;

    // All or nothing: each page is translated before a byte moves. Outside RAM, bytes read as ones and
    // writes are lost. write calls HostMemory::note_write.
    MmuFault read(Gva gva, std::span<std::byte> bytes, Access access);
    MmuFault write(Gva gva, std::span<const std::byte> bytes, Access access);
    // Instruction bytes. On a fault of the second page, `fetched` bytes of the first are there.
    MmuFault fetch(Gva gva, std::span<std::byte> bytes, Access access, size_t& fetched);

    // From now on cached translations go only when the architecture says so, also when another EPTP or VPID
    // is used. The listener is told of each use of one that the tables do not give any more.
    void make_strict(StrictTlb::Listener listener, void* context);
    // nullptr unless strict. Even then walks are counted, and take time, as if it were not: time does not
    // depend on who watches.
    StrictTlb* strict() const { return strict_.get(); }
    // Software may have changed any table: the engine asks for each page again.
    void tables_may_have_changed() { ++generation_; }

    // Tells it of each explicit access by read and write. Null: nobody.
    void set_watch(DataWatch* watch) { watch_ = watch; }

    // Accesses by guest-physical address, which no linear address caused (qualification bit 7 clear).
    MmuFault translate_physical(Gpa gpa, AccessType type, Translation& out);
    // Would the access be allowed now? Changes nothing: for a page whose EPT entry a handler has changed.
    MmuFault probe_physical(Gpa gpa, AccessType type, Translation& out) const;
    // Reads the four PDPTEs that CR3 points at, unchecked. SDM Vol. 3A "PDPTE Registers" (4.4.1).
    MmuFault read_pdptes(uint64_t cr3, std::array<uint64_t, 4>& pdptes);
    // Whether a present PDPTE has reserved bits set, which makes the load of CR3, CR0 or CR4 #GP(0).
    bool pdptes_valid(const std::array<uint64_t, 4>& pdptes) const;

    // Architectural flushes.
    void flush_all();          // global pages as well
    void flush_non_global();   // MOV to CR3
    void flush_page(Gva gva);  // INVLPG: all of a large page, global or not
    // The same, but what a strict TLB holds stays: it has been told more exactly.
    void forget_all();
    void forget_non_global();
    void forget_page(Gva gva);
    // Changes with each flush, and with what set_paging makes linear addresses mean or permit.
    uint64_t generation() const { return generation_; }

    // Functions of the guest alone, for statistics and time.
    struct Counters {
        uint64_t walks = 0;       // of linear addresses
        uint64_t references = 0;  // paging-structure entries read, guest's and EPT's
    };
    const Counters& counters() const { return counters_; }
    // From now on each reference adds so much to `clock`, unless that is null.
    void set_clock(uint64_t* clock, uint64_t ticks_per_reference) {
        clock_ = clock != nullptr ? clock : &no_clock_;
        ticks_per_reference_ = ticks_per_reference;
    }

    // What set_paging made of the registers.
    x86::PagingMode paging_mode() const { return mode_; }
    const GuestProtection& protection() const { return protection_; }
    const x86::PagingFeatures& paging_features() const { return paging_features_; }
    const x86::EptFeatures& ept_features() const { return ept_features_; }
    // EPT's half of a walk, while there is an EPT.
    const NestedWalk& nested_walk() const { return nested_walk_; }

  private:
    friend class StrictTlb;

    // A run of bytes on at most two pages.
    struct Span {
        size_t first_bytes = 0;
        Translation first;
        Translation second;
    };

    void take_references(uint64_t count) {
        counters_.references += count;
        *clock_ += count * ticks_per_reference_;
    }
    void note_watched(Gva gva, size_t bytes, Access access) const;
    void update_plain_tables();
    [[gnu::noinline]] static void set_apic_fault(Gva gva, AccessType type, MmuFault& fault);
    bool canonicalize(Gva& gva) const;
    static MmuFault non_canonical(Gva gva);
    bool suffices(const TlbEntry& entry, Access access) const;
    void answer(const TlbEntry& entry, Gva gva, Access access, Translation& out) const;
    uint8_t* cached_bytes(Gva gva, size_t bytes, Access access) const;
    void walk(Gva gva, Access access, TlbEntry& entry, MmuFault& fault);
    [[gnu::noinline]] void walk_by_the_rules(Gva gva, Access access, TlbEntry& entry, MmuFault& fault);
    [[gnu::noinline]] void note_refusal(Access access, const MmuFault& fault, uint64_t references);
    void forget_table(const MmuFault& fault);
    void count_usual_walk(Gva gva, Access access);
    void count_usual_walk(Gpa gpa, AccessType type);
    [[gnu::noinline]] bool translate_strictly(Gva gva, Access access, Translation& out, MmuFault& fault);
    bool walk_and_cache(Gva gva, Access access, Translation& out, MmuFault& fault);
    MmuFault translate_span(Gva gva, size_t bytes, Access access, Span& out);

    HostMemory* memory_;
    DataWatch* watch_ = nullptr;
    MmuConfig config_;
    PagingState paging_;
    x86::PagingMode mode_ = x86::PagingMode::NONE;
    unsigned linear_bits_ = 32;
    GuestProtection protection_;
    x86::PagingFeatures paging_features_;
    x86::EptFeatures ept_features_;
    std::optional<uint64_t> eptp_;
    PageModificationLog log_;
    NestedWalk nested_walk_;
    Tlb tlb_;  // empty while strict
    static constexpr uint64_t kNoPage = ~uint64_t{0};
    uint64_t apic_access_page_ = kNoPage;
    bool plain_tables_ = true;
    TableCache tables_;
    RefusedWalk refused_;
    std::unique_ptr<StrictTlb> strict_;
    std::unique_ptr<Tlb> counted_;  // while strict, what tlb_ would hold
    uint64_t generation_ = 1;
    Counters counters_;
    uint64_t no_clock_ = 0;
    uint64_t* clock_ = &no_clock_;
    uint64_t ticks_per_reference_ = 0;
};

// Whether the cached answer permits the access without a walk.
inline bool Mmu::suffices(const TlbEntry& entry, Access access) const {
    static constexpr uint64_t kNeeded[] = {TlbEntry::kEptRead,
                                           TlbEntry::kEptWrite | TlbEntry::kDirty | TlbEntry::kEptDirty,
                                           TlbEntry::kEptExecute};
    return entry.has(kNeeded[static_cast<size_t>(access.type)]) && protection_.allows(entry, access);
}

}  // namespace vtless::sim
