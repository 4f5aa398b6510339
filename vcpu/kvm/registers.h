// SPDX-License-Identifier: MIT
// Registers as KVM has them, and as ours.
#pragma once

#include <linux/kvm.h>

#include "vcpu/kvm/guest_state.h"

namespace vtless::kvm {

uint64_t get_gpr(const kvm_regs& regs, x86::Gpr index);
void set_gpr(kvm_regs& regs, x86::Gpr index, uint64_t value);

// What is in neither (APIC base, the CR8 of an APIC, pending interrupts) is left alone.
void store(const GuestState& state, kvm_regs& regs, kvm_sregs& sregs);
GuestState load(const kvm_regs& regs, const kvm_sregs& sregs);

}  // namespace vtless::kvm
