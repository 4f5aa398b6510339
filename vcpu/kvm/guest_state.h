// SPDX-License-Identifier: MIT
// The registers of a guest under way.
#pragma once

#include "vcpu/vmx/guest_entry_state.h"

namespace vtless::kvm {

struct GuestState : vmx::GuestEntryState {  // dr7 and pat are not read back: KvmVCpu writes them at set-up
    uint64_t rip = 0;
    uint64_t cr2 = 0;
    uint64_t cr8 = 0;
};

struct ExitState {
    GuestState state;
    bool before = false;  // KVM has not finished the instruction that exited
};

}  // namespace vtless::kvm
