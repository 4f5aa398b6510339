// SPDX-License-Identifier: MIT
// What /dev/kvm stands on here.
#pragma once

namespace vtless::kvm {

// Whether the processor has VMX or SVM. A KVM without either executes its guests' instructions in software,
// in the kernel (the module kvm_pvm): some thousand times slower, it looks at interrupt windows between
// batches of instructions only, and some guests hang.
bool host_virtualizes();

}  // namespace vtless::kvm
