// SPDX-License-Identifier: MIT
#include "vmm/msr_policy.h"

#include "isa/x86/msr.h"

namespace vtless::vmm {

namespace {

using x86::Msr;

constexpr uint64_t kAll = ~uint64_t{0};
constexpr unsigned kVariableRanges = 8;
constexpr uint64_t kMtrrFixed = 1 << 8, kMtrrWriteCombining = 1 << 10;

constexpr uint32_t number(Msr msr) { return static_cast<uint32_t>(msr); }

}  // namespace

MsrPolicy::MsrPolicy() {
    // The time-stamp counter is the processor's; writing it is accepted and changes nothing.
    add(number(Msr::IA32_TIME_STAMP_COUNTER), 0, kAll);
    add(number(Msr::IA32_APIC_BASE), 0xfee00000 | 1 << 8, 0);  // bootstrap processor, APIC disabled
    add(number(Msr::IA32_FEATURE_CONTROL), 1, 0);              // locked, VMX off
    add(number(Msr::IA32_PLATFORM_ID), 0, 0);
    add(number(Msr::IA32_BIOS_UPDT_TRIG), 0, kAll);
    add(number(Msr::IA32_BIOS_SIGN_ID), 0, kAll);
    add(number(Msr::IA32_MCG_CAP), 0, 0);  // no machine-check banks
    add(number(Msr::IA32_MCG_STATUS), 0, 7);
    add(number(Msr::IA32_MISC_ENABLE), 1, kAll);  // fast strings
    add(number(Msr::IA32_DEBUGCTL), 0, 0);
    add_memory_types();
}

// EPT leaves are write-back whatever these say: they are kept for the guest to read.
void MsrPolicy::add_memory_types() {
    add(number(Msr::IA32_MTRRCAP), kVariableRanges | kMtrrFixed | kMtrrWriteCombining, 0);
    add(number(Msr::IA32_MTRR_DEF_TYPE), 0, 0xcff);
    for (uint32_t i = 0; i < 2 * kVariableRanges; ++i) {
        add(number(Msr::IA32_MTRR_PHYSBASE0) + i, 0, kAll >> 12);
    }
    for (Msr fixed :
         {Msr::IA32_MTRR_FIX64K_00000, Msr::IA32_MTRR_FIX16K_80000, Msr::IA32_MTRR_FIX16K_A0000}) {
        add(number(fixed), 0, kAll);
    }
    for (uint32_t i = 0; i < 8; ++i) add(number(Msr::IA32_MTRR_FIX4K_C0000) + i, 0, kAll);
}

std::optional<uint64_t> MsrPolicy::read(uint32_t msr) {
    const auto entry = entries_.find(msr);
    if (entry != entries_.end()) return entry->second.value;
    ++refused_[msr];
    return std::nullopt;
}

bool MsrPolicy::write(uint32_t msr, uint64_t value) {
    const auto entry = entries_.find(msr);
    if (entry == entries_.end()) {
        ++refused_[msr];
        return false;
    }
    const auto [old, writable] = entry->second;
    if (((value ^ old) & ~writable) != 0) return false;
    entry->second.value = value;
    return true;
}

}  // namespace vtless::vmm
