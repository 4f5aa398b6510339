// SPDX-License-Identifier: MIT
// Registers of a local APIC, as offsets in bytes in its page; in x2APIC mode the MSR is 0x800 + offset / 16.
// SDM Vol. 3A "Local APIC Register Address Map" (11.4.1).
#pragma once

#include <cstdint>

namespace vtless::x86::apic_register {

inline constexpr unsigned ID = 0x20;
inline constexpr unsigned VERSION = 0x30;
inline constexpr unsigned TPR = 0x80;
inline constexpr unsigned PPR = 0xa0;
inline constexpr unsigned EOI = 0xb0;
inline constexpr unsigned LDR = 0xd0;
inline constexpr unsigned DFR = 0xe0;
inline constexpr unsigned SVR = 0xf0;
// 256 bits each: of eight registers of 32.
inline constexpr unsigned ISR = 0x100;
inline constexpr unsigned TMR = 0x180;
inline constexpr unsigned IRR = 0x200;
inline constexpr unsigned ESR = 0x280;
inline constexpr unsigned ICR_LOW = 0x300;
inline constexpr unsigned ICR_HIGH = 0x310;
inline constexpr unsigned LVT_TIMER = 0x320;
inline constexpr unsigned LVT_LINT0 = 0x350;
inline constexpr unsigned LVT_ERROR = 0x370;
inline constexpr unsigned INITIAL_COUNT = 0x380;
inline constexpr unsigned CURRENT_COUNT = 0x390;
inline constexpr unsigned DIVIDE_CONFIGURATION = 0x3e0;
inline constexpr unsigned SELF_IPI = 0x3f0;

}  // namespace vtless::x86::apic_register
