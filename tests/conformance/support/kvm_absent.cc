// SPDX-License-Identifier: MIT
// For a build without <linux/kvm.h>.
#include "tests/conformance/support/kvm_on_linux.h"

namespace vtless::conformance {

std::unique_ptr<Backend> KvmOnLinux::create(const Variant&) {
    throw CannotRun{"KVM is absent: built without <linux/kvm.h>"};
}

const Deviation* KvmOnLinux::deviation(const std::string&, const Backend&) { return nullptr; }

}  // namespace vtless::conformance
