// SPDX-License-Identifier: MIT
// The guest code of bench/guests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// VTLESS_GUEST(name): the code between GUEST(name) and END_GUEST(name), as std::span<const uint8_t>.
#define VTLESS_DECLARE_GUEST(name)           \
    extern "C" const uint8_t guest_##name[]; \
    extern "C" const uint8_t guest_##name##_end[]
#define VTLESS_GUEST(name) \
    std::span<const uint8_t>(guest_##name, static_cast<size_t>(guest_##name##_end - guest_##name))

VTLESS_DECLARE_GUEST(blocks_of_3);
VTLESS_DECLARE_GUEST(blocks_of_10);
VTLESS_DECLARE_GUEST(blocks_of_66);
VTLESS_DECLARE_GUEST(loads_and_stores);
VTLESS_DECLARE_GUEST(calls_and_returns);
VTLESS_DECLARE_GUEST(cpuid_loop);
VTLESS_DECLARE_GUEST(hlt_loop);
VTLESS_DECLARE_GUEST(out_loop);
VTLESS_DECLARE_GUEST(missing_page_loop);
VTLESS_DECLARE_GUEST(touch_and_halt);
VTLESS_DECLARE_GUEST(interrupt_handler);
VTLESS_DECLARE_GUEST(page_fault_loop);
VTLESS_DECLARE_GUEST(system_call_loop);
VTLESS_DECLARE_GUEST(in_loop);
VTLESS_DECLARE_GUEST(rep_outs_loop);
VTLESS_DECLARE_GUEST(vmcall_loop);
VTLESS_DECLARE_GUEST(rdmsr_loop);
VTLESS_DECLARE_GUEST(wrmsr_loop);
VTLESS_DECLARE_GUEST(mmio_read_loop);
VTLESS_DECLARE_GUEST(mmio_write_loop);
VTLESS_DECLARE_GUEST(xsetbv_loop);
VTLESS_DECLARE_GUEST(spin_loop);
VTLESS_DECLARE_GUEST(window_loop);
VTLESS_DECLARE_GUEST(invlpg_loop);
VTLESS_DECLARE_GUEST(mov_cr3_loop);
extern "C" const uint8_t guest_page_fault_handler[];
extern "C" const uint8_t guest_window_handler[];
extern "C" const uint8_t guest_system_call_handler[];
