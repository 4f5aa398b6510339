// SPDX-License-Identifier: MIT
// Where and how a loaded guest starts: what VCpu::setup is given.
#pragma once

#include "isa/addr.h"
#include "vcpu/vmx/guest_entry_state.h"

namespace vtless::vmm {

struct BootState {
    Gpa entry;
    vmx::GuestEntryState registers;
};

}  // namespace vtless::vmm
