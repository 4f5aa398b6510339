// SPDX-License-Identifier: MIT
// A guest's run on Linux KVM.
#pragma once

#include "vmm/guest_parts.h"

namespace vtless::vmm {

// As run_guest. What config asks for and KVM cannot do fails, with its name; and everything does where this
// build has no KVM backend.
Result<GuestRunResult> run_guest_on_kvm(const GuestRunConfig& config, const GuestImages& images);

}  // namespace vtless::vmm
