// SPDX-License-Identifier: MIT
#pragma once

#include "bench/support/guest_memory.h"
#include "isa/x86/control_regs.h"
#include "vcpu/vmx/guest_entry_state.h"

namespace vtless::bench {

// Where a guest of the benchmarks begins on every backend: 64-bit mode, RSP and RSI set.
inline vmx::GuestEntryState entry_state() {
    using x86::SegmentRegister;
    vmx::GuestEntryState state = vmx::GuestEntryState::long_mode(GuestLayout::kPageTables);
    for (unsigned i = 0; i < 6; ++i) state.segments[i] = {0x10, 0, ~0u, {0xc093}};
    state.segment(SegmentRegister::CS) = {0x08, 0, ~0u, {0xa09b}};
    state.segment(SegmentRegister::TR) = {0x30, GuestLayout::kTss, 0x67, {0x8b}};
    state.gdtr = {GuestLayout::kGdt, 0x7f};
    state.idtr = {GuestLayout::kIdt, 0xfff};
    state.cr0 = 0x80050033;
    state.cr4 = 0x6a0;
    state.efer |= x86::efer::SCE | x86::efer::NXE;
    state.gprs[static_cast<size_t>(x86::Gpr::RSP)] = GuestLayout::kStack;
    state.gprs[static_cast<size_t>(x86::Gpr::RSI)] = GuestLayout::kData;
    return state;
}

}  // namespace vtless::bench
