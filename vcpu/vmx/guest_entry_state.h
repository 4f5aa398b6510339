// SPDX-License-Identifier: MIT
// The registers that a guest starts with.
#pragma once

#include <array>
#include <cstdint>

#include "isa/x86/control_regs.h"
#include "isa/x86/msr.h"
#include "isa/x86/registers.h"
#include "isa/x86/rflags.h"
#include "isa/x86/segment.h"

namespace vtless::vmx {

// RIP is not here: it is set_entry's address (guest-physical, or linear with paging) minus CS's base.
// CR0 and CR4 are what the guest reads; bits that VMX fixes are added behind the read shadow.
struct GuestEntryState {
    std::array<x86::Segment, x86::kSegmentRegisterCount> segments{};
    x86::DescriptorTable gdtr{0, 0xffff};
    x86::DescriptorTable idtr{0, 0xffff};
    uint64_t cr0 = x86::cr0::NW | x86::cr0::CD | x86::cr0::ET;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
    uint64_t efer = 0;
    uint64_t rflags = x86::rflags::kFixed1;
    uint64_t dr7 = x86::dr7::kReset;
    uint64_t pat = x86::kPatReset;
    std::array<uint64_t, x86::kGprCount> gprs{};

    x86::Segment& segment(x86::SegmentRegister which) { return segments[static_cast<unsigned>(which)]; }
    const x86::Segment& segment(x86::SegmentRegister which) const {
        return segments[static_cast<unsigned>(which)];
    }

    // As upstream's vCPU starts; the base need not be the selector times 16.
    static constexpr GuestEntryState real_mode(uint16_t cs_selector = 0, uint64_t cs_base = 0);
    // The processor after RESET: entry 0xfffffff0 is CS:IP = F000:FFF0. SDM Vol. 3A table 10-1.
    static constexpr GuestEntryState reset();
    // Flat 4-GiB segments with the selectors of the 32- and 64-bit boot protocols (CS 0x10, data 0x18).
    static constexpr GuestEntryState protected_mode();
    // 64-bit mode; page_table: guest-physical address of a PML4 that maps the entry.
    static constexpr GuestEntryState long_mode(uint64_t page_table);
};

namespace entry_state_detail {

inline constexpr uint32_t kRealModeData = 0x93;  // present, S, read/write, accessed
inline constexpr uint32_t kRealModeCode = 0x9b;
inline constexpr uint32_t kFlatData = 0xc093;
inline constexpr uint32_t kFlatCode32 = 0xc09b;
inline constexpr uint32_t kFlatCode64 = 0xa09b;
inline constexpr uint32_t kBusyTss = 0x8b;

constexpr void set_all(GuestEntryState& state, const x86::Segment& code, const x86::Segment& data) {
    for (unsigned i = 0; i < 6; ++i) state.segments[i] = data;
    state.segments[static_cast<unsigned>(x86::SegmentRegister::CS)] = code;
    state.segments[static_cast<unsigned>(x86::SegmentRegister::LDTR)] = {
        0, 0, 0xffff, {x86::AccessRights::kUnusable}};
    state.segments[static_cast<unsigned>(x86::SegmentRegister::TR)] = {0, 0, 0xffff, {kBusyTss}};
}

}  // namespace entry_state_detail

constexpr GuestEntryState GuestEntryState::real_mode(uint16_t cs_selector, uint64_t cs_base) {
    using namespace entry_state_detail;
    GuestEntryState state;
    set_all(state, {cs_selector, cs_base, 0xffff, {kRealModeCode}}, {0, 0, 0xffff, {kRealModeData}});
    return state;
}

constexpr GuestEntryState GuestEntryState::reset() { return real_mode(0xf000, 0xffff0000); }

constexpr GuestEntryState GuestEntryState::protected_mode() {
    using namespace entry_state_detail;
    GuestEntryState state;
    set_all(state, {0x10, 0, 0xffffffff, {kFlatCode32}}, {0x18, 0, 0xffffffff, {kFlatData}});
    state.cr0 = x86::cr0::PE | x86::cr0::ET;
    return state;
}

constexpr GuestEntryState GuestEntryState::long_mode(uint64_t page_table) {
    GuestEntryState state = protected_mode();
    state.segments[static_cast<unsigned>(x86::SegmentRegister::CS)].rights.raw =
        entry_state_detail::kFlatCode64;
    state.cr0 |= x86::cr0::PG;
    state.cr3 = page_table;
    state.cr4 = x86::cr4::PAE;
    state.efer = x86::efer::LME | x86::efer::LMA;
    return state;
}

}  // namespace vtless::vmx
