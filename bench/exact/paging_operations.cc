// SPDX-License-Identifier: MIT
// Walks of both dimensions, EPT violations and what else EPT does.
#include <array>

#include "bench/exact/ept_edit.h"
#include "bench/exact/operations.h"

VTLESS_DECLARE_GUEST(store_loop);
VTLESS_DECLARE_GUEST(load_loop);
VTLESS_DECLARE_GUEST(fetch_elsewhere);
VTLESS_DECLARE_GUEST(data_and_out);

namespace vtless::bench {

namespace {

using R = x86::ExitReason;

constexpr uint64_t kPage = 0x800000;  // guest-physical and linear
constexpr uint64_t kOpen = 0x67;      // a guest's entry: present, writable, user, accessed, dirty
constexpr uint64_t kLargeLeaf = kPage | kEptLeaf | x86::ept::LARGE;
constexpr uint64_t kLogEnd = 511;

void ept_violation(CountedGuest& guest) {
    guest->run_to<VmExit::NestedPageFault>();
    guest->set_rip(GuestLayout::kCode + 8);
}
void refused_access(CountedGuest& guest) {
    guest->run_to<VmExit::NestedPageFault>();
    guest->set_rip(GuestLayout::kCode);
}
void misconfiguration(CountedGuest& guest) {
    run_to_unhandled<R::EPT_MISCONFIGURATION>(guest);
    guest->set_rip(GuestLayout::kCode);
}
// A page is mapped when it is touched, and taken away again.
void demand(CountedGuest& guest) {
    guest->run_to<VmExit::NestedPageFault>();
    set_ept_entry(guest, kPage, kLargeLeaf);
    guest->run_to<VmExit::IoWrite>();
    set_ept_entry(guest, kPage, 0);
    VTLESS_CHECK(guest->backend().flush_tlb());
}
void invept(CountedGuest& guest) {
    VTLESS_CHECK(guest->backend().flush_tlb());
    guest->run_to<VmExit::IoWrite>();
}
void invvpid(CountedGuest& guest) {
    VTLESS_CHECK(guest->processor().invvpid(x86::InvvpidType::ALL_CONTEXT, {}).ok());
    guest->run_to<VmExit::IoWrite>();
}
// The page becomes dirty, and the log's one entry is read.
void dirty_page(CountedGuest& guest) {
    guest->run_to<VmExit::IoWrite>();
    Arch& backend = guest->backend();
    VTLESS_CHECK(backend.read_field(F::PML_INDEX) == kLogEnd - 1);
    backend.write_field(F::PML_INDEX, kLogEnd);
    set_ept_entry(guest, kPage, ept_entry(guest, kPage) & ~x86::ept::DIRTY);
    VTLESS_CHECK(backend.flush_tlb());
}
void full_log(CountedGuest& guest) {
    guest->backend().write_field(F::PML_INDEX, 0xffff);
    run_to_unhandled<R::PML_FULL>(guest);
    guest->backend().write_field(F::PML_INDEX, kLogEnd);
    dirty_page(guest);
}

// RDI is the page, which EPT maps so.
template <uint64_t kEntry>
void page_mapped(CountedGuest& guest) {
    set_ept_entry(guest, kPage, kEntry);
    guest->set_gpr(x86::Gpr::RDI, kPage);
}
// The guest's table has this there: a guest-physical address where EPT ends at another level.
template <uint64_t kGpa>
void page_at(CountedGuest& guest) {
    set_guest_page(guest, kPage, kGpa | kOpen);
    guest->set_gpr(x86::Gpr::RDI, kPage);
}
// The table that maps the page is where EPT maps nothing.
void table_that_is_not_there(CountedGuest& guest) {
    const Hpa directory(GuestLayout::kPageTables + 0x2000);
    store(guest, directory + (kPage >> 21) * 8, GuestLayout::kMissingPage | kOpen);
    guest->set_gpr(x86::Gpr::RDI, kPage);
}
// One page of that level in the guest's tables, and all of EPT in pages of that level.
template <unsigned kGuestLevel, unsigned kEptLevel>
void leaves(CountedGuest& guest) {
    set_guest_leaf(guest, kGuestLevel);
    if (kEptLevel == 1) split_ept(guest, 0), split_ept(guest, GuestLayout::kData);
    if (kEptLevel == 3) map_ept_gib(guest);
}
void accessed_and_dirty(CountedGuest& guest) { set_bits(guest, F::EPT_POINTER, x86::Eptp::kAccessedDirty); }
void logged(CountedGuest& guest) {
    control<0, Secondary::ENABLE_PML>(guest);
    accessed_and_dirty(guest);
    guest->backend().write_field(F::PML_ADDRESS, frame(guest).value());
    guest->backend().write_field(F::PML_INDEX, kLogEnd);
    guest->set_gpr(x86::Gpr::RDI, kPage);
    // What the walks themselves make dirty is not part of it.
    guest->run_to<VmExit::IoWrite>();
    guest->backend().write_field(F::PML_INDEX, kLogEnd);
    set_ept_entry(guest, kPage, ept_entry(guest, kPage) & ~x86::ept::DIRTY);
    VTLESS_CHECK(guest->backend().flush_tlb());
}

Operation walk(const char* name, void (*prepare)(CountedGuest&)) {
    return {name, VTLESS_GUEST(invlpg_loop), nullptr, prepare, run_to<VmExit::IoWrite>};
}
Operation refusal(const char* name, std::span<const uint8_t> code, void (*prepare)(CountedGuest&)) {
    return {name, code, nullptr, prepare, refused_access};
}

}  // namespace

std::span<const Operation> paging_operations() {
    using namespace x86::ept;
    static const std::array all = {
        walk("walk_after_invlpg", nullptr),
        walk("walk_guest_4k_ept_4k", leaves<1, 1>),
        walk("walk_guest_4k_ept_1g", leaves<1, 3>),
        walk("walk_guest_2m_ept_4k", leaves<2, 1>),
        walk("walk_guest_2m_ept_2m", leaves<2, 2>),
        walk("walk_guest_2m_ept_1g", leaves<2, 3>),
        walk("walk_guest_1g_ept_4k", leaves<3, 1>),
        walk("walk_guest_1g_ept_2m", leaves<3, 2>),
        walk("walk_guest_1g_ept_1g", leaves<3, 3>),
        walk("walk_with_ept_accessed_dirty", accessed_and_dirty),
        Operation{"walks_after_mov_cr3", VTLESS_GUEST(mov_cr3_loop), nullptr, nullptr,
                  run_to<VmExit::IoWrite>},
        Operation{"walks_after_invept", VTLESS_GUEST(data_and_out), nullptr, nullptr, invept},
        Operation{"walks_after_invvpid", VTLESS_GUEST(data_and_out), nullptr, nullptr, invvpid},
        Operation{"ept_violation", VTLESS_GUEST(missing_page_loop), nullptr, nullptr, ept_violation},
        refusal("ept_violation_write", VTLESS_GUEST(store_loop), page_mapped<kLargeLeaf & ~WRITE>),
        refusal("ept_violation_fetch", VTLESS_GUEST(fetch_elsewhere), page_mapped<kLargeLeaf & ~EXECUTE>),
        refusal("ept_violation_table", VTLESS_GUEST(load_loop), table_that_is_not_there),
        refusal("ept_violation_level_2", VTLESS_GUEST(load_loop), page_at<GuestLayout::kMemory>),
        refusal("ept_violation_level_3", VTLESS_GUEST(load_loop), page_at<uint64_t{1} << 30>),
        refusal("ept_violation_level_4", VTLESS_GUEST(load_loop), page_at<uint64_t{1} << 39>),
        Operation{"ept_misconfiguration", VTLESS_GUEST(load_loop), nullptr, page_mapped<kLargeLeaf & ~READ>,
                  misconfiguration},
        Operation{"ept_demand_paging", VTLESS_GUEST(load_loop), nullptr, page_mapped<0>, demand},
        Operation{"dirty_page_logged", VTLESS_GUEST(store_loop), nullptr, logged, dirty_page},
        Operation{"page_modification_log_full", VTLESS_GUEST(store_loop), nullptr, logged, full_log},
    };
    return all;
}

}  // namespace vtless::bench
