// SPDX-License-Identifier: MIT
// For a build without <linux/kvm.h>.
#include "vmm/kvm_run.h"

namespace vtless::vmm {

Result<GuestRunResult> run_guest_on_kvm(const GuestRunConfig&, const GuestImages&) {
    return fail("this vtless was built without <linux/kvm.h>, so without its KVM backend");
}

}  // namespace vtless::vmm
