// SPDX-License-Identifier: MIT
#include "sim/mmu/mmu.h"

#include <algorithm>
#include <cstring>

#include "isa/check.h"
#include "sim/mmu/data_watch.h"
#include "sim/mmu/usual_walk.h"

namespace vtless::sim {

namespace {

// Both halves of a run of bytes, moved by `move(host bytes or nullptr, offset, count)`.
template <class Move>
void move_halves(const Translation& first, const Translation& second, size_t first_bytes, size_t bytes,
                 const HostMemory& memory, const Move& move) {
    move(first.backed ? memory.base() + first.hpa.value() : nullptr, size_t{0}, first_bytes);
    if (first_bytes < bytes)
        move(second.backed ? memory.base() + second.hpa.value() : nullptr, first_bytes, bytes - first_bytes);
}

// Whether linear addresses mean the same, and permit the same: not so CR0.TS, for one.
bool translates_alike(const PagingState& a, const PagingState& b) {
    constexpr uint64_t kCr0 = x86::cr0::PG | x86::cr0::WP;
    constexpr uint64_t kCr4 = x86::cr4::PSE | x86::cr4::PAE | x86::cr4::PGE | x86::cr4::LA57 |
                              x86::cr4::PCIDE | x86::cr4::SMEP | x86::cr4::SMAP;
    constexpr uint64_t kEfer = x86::efer::LMA | x86::efer::NXE;
    return ((a.cr0 ^ b.cr0) & kCr0) == 0 && a.cr3 == b.cr3 && ((a.cr4 ^ b.cr4) & kCr4) == 0 &&
           ((a.efer ^ b.efer) & kEfer) == 0 && a.pdptes == b.pdptes;
}

}  // namespace

Mmu::Mmu(HostMemory& memory, const MmuConfig& config)
    : memory_(&memory), config_(config), nested_walk_(memory, {}, ept_features_) {
    VTLESS_CHECK(config.physical_address_bits >= 32 && config.physical_address_bits <= 52);
    ept_features_.physical_bits = config.physical_address_bits;
    ept_features_.execute_only = config.ept_execute_only;
    ept_features_.page_2m = config.ept_page_2m;
    ept_features_.page_1g = config.ept_page_1g;
    set_paging({});
}

Mmu::~Mmu() = default;

void Mmu::make_strict(StrictTlb::Listener listener, void* context) {
    flush_all();
    strict_ = std::make_unique<StrictTlb>(*this, listener, context);
    counted_ = std::make_unique<Tlb>();
}

void Mmu::set_paging(const PagingState& paging) {
    if (!translates_alike(paging_, paging)) ++generation_;
    paging_ = paging;
    mode_ = x86::paging_mode(paging.cr0, paging.cr4, paging.efer);
    protection_ = GuestProtection::of(paging);
    paging_features_.physical_bits = config_.physical_address_bits;
    paging_features_.page_1g = config_.guest_1g_pages;
    paging_features_.nxe = (paging.efer & x86::efer::NXE) != 0;
    paging_features_.pse = (paging.cr4 & x86::cr4::PSE) != 0;
    linear_bits_ = 32;
    if ((paging.efer & x86::efer::LMA) != 0) linear_bits_ = (paging.cr4 & x86::cr4::LA57) != 0 ? 57 : 48;
}

void Mmu::set_ept(std::optional<uint64_t> eptp, bool mode_based_execute) {
    if (eptp == eptp_ && mode_based_execute == ept_features_.mode_based_execute) return;
    VTLESS_CHECK(!eptp || x86::Eptp{*eptp}.walk_length() == 4 || x86::Eptp{*eptp}.walk_length() == 5);
    eptp_ = eptp;
    ept_features_.mode_based_execute = mode_based_execute;
    nested_walk_ = NestedWalk(*memory_, x86::Eptp{eptp.value_or(0)}, ept_features_);
    update_plain_tables();
    forget_all();
    if (strict_ != nullptr) strict_->select_ept(eptp, mode_based_execute);
}

void Mmu::set_apic_access_page(std::optional<Hpa> page) {
    const uint64_t next = page ? page->value() : kNoPage;
    if (next == apic_access_page_) return;
    apic_access_page_ = next;
    update_plain_tables();
    forget_all();
}

// UsualWalk does not read tables outside RAM.
void Mmu::update_plain_tables() {
    plain_tables_ = !ept_features_.mode_based_execute && apic_access_page_ >= memory_->size();
}

void Mmu::set_apic_fault(Gva gva, AccessType type, MmuFault& fault) {
    using x86::ApicAccessType;
    constexpr ApicAccessType kTypes[] = {ApicAccessType::LINEAR_READ, ApicAccessType::LINEAR_WRITE,
                                         ApicAccessType::LINEAR_FETCH};
    fault = {};
    fault.kind = MmuFault::Kind::ApicAccess;
    fault.gva = gva;
    fault.qualification = x86::ApicAccessQualification{static_cast<uint16_t>(gva.page_offset()),
                                                       kTypes[static_cast<size_t>(type)], false}
                              .encode();
}

// False when the address is not canonical.
inline bool Mmu::canonicalize(Gva& gva) const {
    if (linear_bits_ != 32) return is_canonical(gva.value(), linear_bits_);
    gva = Gva(gva.value() & 0xffffffff);
    return true;
}

MmuFault Mmu::non_canonical(Gva gva) {
    MmuFault fault;
    fault.kind = MmuFault::Kind::NonCanonical;
    fault.gva = gva;
    return fault;
}

void Mmu::answer(const TlbEntry& entry, Gva gva, Access access, Translation& out) const {
    const auto may = [&](AccessType type) {
        return suffices(entry, {type, access.user, access.ac_flag, access.implicit});
    };
    out.hpa = Hpa(entry.hpa_page() | gva.page_offset());
    out.gpa = Gpa(entry.gpa_page() | gva.page_offset());
    out.readable = may(AccessType::Read);
    out.writable = may(AccessType::Write);
    out.executable = may(AccessType::Fetch);
    out.user = entry.has(TlbEntry::kUser);
    out.backed = entry.has(TlbEntry::kBacked);
    out.page_size = bit(std::min(entry.guest_shift(), entry.ept_shift()));
}

MmuFault Mmu::translate(Gva gva, Access access, Translation& out) {
    MmuFault fault;
    if (translate(gva, access, out, fault)) fault = {};
    return fault;
}

bool Mmu::translate(Gva gva, Access access, Translation& out, MmuFault& fault) {
    if (!canonicalize(gva)) {
        fault = non_canonical(gva);
        return false;
    }
    const TlbEntry* hit = tlb_.find(gva.frame_number());
    if (hit == nullptr || !suffices(*hit, access)) return walk_and_cache(gva, access, out, fault);
    answer(*hit, gva, access, out);
    return true;
}

// Where the bytes are, if they lie in one page of RAM that needs no walk; else nullptr.
inline uint8_t* Mmu::cached_bytes(Gva gva, size_t bytes, Access access) const {
    if (gva.page_offset() + bytes > HostMemory::kFrameSize || !canonicalize(gva)) return nullptr;
    const TlbEntry* hit = tlb_.find(gva.frame_number());
    if (hit == nullptr || !hit->has(TlbEntry::kBacked) || !suffices(*hit, access)) return nullptr;
    return memory_->base() + (hit->hpa_page() | gva.page_offset());
}

inline void Mmu::walk(Gva gva, Access access, TlbEntry& entry, MmuFault& fault) {
    ++counters_.walks;
    if (refused_.repeats(gva, access, generation_)) {
        take_references(refused_.references());
        return refused_.fault(gva, fault);
    }
    if (UsualWalk::applies(*this)) {
        UsualWalk usual(*this, tables_, fault);
        if (usual.linear(gva, access, entry)) {
            take_references(usual.references());
            if (fault) note_refusal(access, fault, usual.references());
            return;
        }
    }
    walk_by_the_rules(gva, access, entry, fault);
}

void Mmu::walk_by_the_rules(Gva gva, Access access, TlbEntry& entry, MmuFault& fault) {
    Walker walker(*this, Walker::Update::Yes);
    fault = walker.linear(gva, access, entry);
    take_references(walker.references());
}

void Mmu::note_refusal(Access access, const MmuFault& fault, uint64_t references) {
    constexpr uint64_t kOfAccess = x86::EptViolationQualification::FINAL_TRANSLATION;
    if (fault.kind == MmuFault::Kind::EptViolation && (fault.qualification & kOfAccess) != 0)
        refused_.note(*this, tables_, access, fault, references);
}

inline void Mmu::forget_table(const MmuFault& fault) {
    if (fault.of_ept()) tables_.erase(fault.gpa);
}

void Mmu::count_usual_walk(Gva gva, Access access) {
    const TlbEntry* hit = counted_->find(gva.frame_number());
    if (hit != nullptr && suffices(*hit, access)) return;
    Walker walker(*this, Walker::Update::No);
    TlbEntry entry;
    const MmuFault fault = walker.linear(gva, access, entry);
    ++counters_.walks;
    take_references(walker.references());
    if (fault || entry.hpa_page() == apic_access_page_) {
        if (counted_->erase(gva.frame_number())) ++generation_;
        return;
    }
    if (access.type == AccessType::Write) entry.gpa_rights |= TlbEntry::kDirty | TlbEntry::kEptDirty;
    counted_->insert(entry);
}

void Mmu::count_usual_walk(Gpa gpa, AccessType type) {
    Walker walker(*this, Walker::Update::No);
    TlbEntry entry;
    (void)walker.physical(gpa, type, entry);
    take_references(walker.references());
}

bool Mmu::translate_strictly(Gva gva, Access access, Translation& out, MmuFault& fault) {
    count_usual_walk(gva, access);
    if (!strict_->translate(gva, access, out, fault)) return false;
    if (!is_apic_access_page(out.hpa)) return true;
    set_apic_fault(gva, access.type, fault);
    return false;
}

// A fault drops what was cached for the address: SDM Vol. 3A 4.10.4.1, Vol. 3C 29.4.3.1.
bool Mmu::walk_and_cache(Gva gva, Access access, Translation& out, MmuFault& fault) {
    if (strict_ != nullptr) [[unlikely]]
        return translate_strictly(gva, access, out, fault);
    TlbEntry entry;
    fault = {};
    walk(gva, access, entry, fault);
    if (fault) {
        if (tlb_.erase(gva.frame_number())) ++generation_;
        forget_table(fault);
        return false;
    }
    if (entry.hpa_page() == apic_access_page_) [[unlikely]] {  // never remembered
        tlb_.erase(gva.frame_number());
        set_apic_fault(gva, access.type, fault);
        return false;
    }
    tlb_.insert(entry);
    answer(entry, gva, access, out);
    return true;
}

bool Mmu::holds(Gva gva, Access access) const {
    if (!canonicalize(gva)) return false;
    const TlbEntry* hit = (counted_ != nullptr ? *counted_ : tlb_).find(gva.frame_number());
    return hit != nullptr && suffices(*hit, access);
}

bool Mmu::foresee(Gva gva, Access access, Translation& out, MmuFault& fault, bool& cached) {
    cached = holds(gva, access);
    if (cached) return translate(gva, access, out, fault);
    fault = probe(gva, access, out);
    if (!fault && is_apic_access_page(out.hpa)) set_apic_fault(gva, access.type, fault);
    return !fault;
}

MmuFault Mmu::probe(Gva gva, Access access, Translation& out) const {
    if (!canonicalize(gva)) return non_canonical(gva);
    Walker walker(*this, Walker::Update::No);
    TlbEntry entry;
    if (const MmuFault fault = walker.linear(gva, access, entry)) return fault;
    entry.gpa_rights |= TlbEntry::kDirty | TlbEntry::kEptDirty;
    answer(entry, gva, access, out);
    return {};
}

MmuFault Mmu::translate_physical(Gpa gpa, AccessType type, Translation& out) {
    if (strict_ != nullptr) count_usual_walk(gpa, type);
    Walker walker(*this, Walker::Update::Yes);
    TlbEntry entry;
    const MmuFault fault = walker.physical(gpa, type, entry);
    if (strict_ == nullptr) take_references(walker.references());
    if (fault) {
        forget_table(fault);
    } else {
        answer(entry, Gva(gpa.value()), Access::supervisor(type), out);
    }
    return fault;
}

MmuFault Mmu::probe_physical(Gpa gpa, AccessType type, Translation& out) const {
    Walker walker(*this, Walker::Update::No);
    TlbEntry entry;
    const MmuFault fault = walker.physical(gpa, type, entry);
    if (!fault) answer(entry, Gva(gpa.value()), Access::supervisor(type), out);
    return fault;
}

MmuFault Mmu::translate_span(Gva gva, size_t bytes, Access access, Span& out) {
    VTLESS_CHECK(bytes <= kMaxAccess);
    out.first_bytes = std::min<size_t>(bytes, HostMemory::kFrameSize - gva.page_offset());
    if (const MmuFault fault = translate(gva, access, out.first)) return fault;
    if (out.first_bytes == bytes) return {};
    return translate(gva + out.first_bytes, access, out.second);
}

// Before it is known whether the access faults: of instructions that do, nobody asks.
void Mmu::note_watched(Gva gva, size_t bytes, Access access) const {
    if (access.implicit || access.type == AccessType::Fetch) return;
    (void)canonicalize(gva);
    watch_->note_linear(gva, bytes, access.type == AccessType::Write);
}

MmuFault Mmu::read(Gva gva, std::span<std::byte> bytes, Access access) {
    if (watch_ != nullptr) note_watched(gva, bytes.size(), access);
    if (const uint8_t* cached = cached_bytes(gva, bytes.size(), access)) {
        std::memcpy(bytes.data(), cached, bytes.size());
        return {};
    }
    Span span;
    if (const MmuFault fault = translate_span(gva, bytes.size(), access, span)) return fault;
    move_halves(span.first, span.second, span.first_bytes, bytes.size(), *memory_,
                [&](const uint8_t* host, size_t offset, size_t count) {
                    if (host != nullptr) {
                        std::memcpy(bytes.data() + offset, host, count);
                    } else {
                        std::memset(bytes.data() + offset, 0xff, count);
                    }
                });
    return {};
}

MmuFault Mmu::write(Gva gva, std::span<const std::byte> bytes, Access access) {
    if (watch_ != nullptr) note_watched(gva, bytes.size(), access);
    if (uint8_t* cached = cached_bytes(gva, bytes.size(), access)) {
        memory_->note_write(Hpa(static_cast<uint64_t>(cached - memory_->base())), bytes.size());
        std::memcpy(cached, bytes.data(), bytes.size());
        return {};
    }
    Span span;
    if (const MmuFault fault = translate_span(gva, bytes.size(), access, span)) return fault;
    move_halves(span.first, span.second, span.first_bytes, bytes.size(), *memory_,
                [&](uint8_t* host, size_t offset, size_t count) {
                    if (host == nullptr) return;
                    memory_->note_write(Hpa(static_cast<uint64_t>(host - memory_->base())), count);
                    std::memcpy(host, bytes.data() + offset, count);
                });
    return {};
}

MmuFault Mmu::fetch(Gva gva, std::span<std::byte> bytes, Access access, size_t& fetched) {
    VTLESS_CHECK(bytes.size() <= kMaxAccess);
    fetched = 0;
    const size_t first = std::min<size_t>(bytes.size(), HostMemory::kFrameSize - gva.page_offset());
    if (const MmuFault fault = read(gva, bytes.first(first), access)) return fault;
    fetched = first;
    if (first == bytes.size()) return {};
    if (const MmuFault fault = read(gva + first, bytes.subspan(first), access)) return fault;
    fetched = bytes.size();
    return {};
}

MmuFault Mmu::read_pdptes(uint64_t cr3, std::array<uint64_t, 4>& pdptes) {
    const Gpa table(x86::root_table(x86::PagingMode::PAE, cr3));
    Translation translation;
    if (const MmuFault fault = translate_physical(table, AccessType::Read, translation)) return fault;
    if (translation.backed) {
        std::memcpy(pdptes.data(), memory_->base() + translation.hpa.value(), sizeof(pdptes));
    } else {
        pdptes.fill(~uint64_t{0});
    }
    return {};
}

bool Mmu::pdptes_valid(const std::array<uint64_t, 4>& pdptes) const {
    const uint64_t reserved = x86::pae_pdpte_reserved(config_.physical_address_bits);
    return std::none_of(pdptes.begin(), pdptes.end(), [reserved](uint64_t pdpte) {
        return (pdpte & x86::pte::P) != 0 && (pdpte & reserved) != 0;
    });
}

void Mmu::flush_all() {
    if (strict_ != nullptr) strict_->flush_all();
    forget_all();
}

void Mmu::flush_non_global() {
    if (strict_ != nullptr) strict_->flush_non_global();
    forget_non_global();
}

void Mmu::flush_page(Gva gva) {
    if (canonicalize(gva) && strict_ != nullptr) strict_->flush_page(gva);
    forget_page(gva);
}

void Mmu::forget_all() {
    tlb_.flush_all();
    if (counted_ != nullptr) counted_->flush_all();
    ++generation_;
}

void Mmu::forget_non_global() {
    tlb_.flush_non_global();
    if (counted_ != nullptr) counted_->flush_non_global();
    ++generation_;
}

void Mmu::forget_page(Gva gva) {
    if (canonicalize(gva)) {
        tlb_.flush_page(gva.frame_number());
        if (counted_ != nullptr) counted_->flush_page(gva.frame_number());
    }
    ++generation_;
}

}  // namespace vtless::sim
