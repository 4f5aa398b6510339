// SPDX-License-Identifier: MIT
// For a build without <linux/kvm.h>.
#include "cli/kvm_probe.h"

namespace vtless::cli {

KvmReport probe_kvm(const std::string&) {
    KvmReport report;
    report.unusable = "this vtless was built without <linux/kvm.h>, so without its KVM backend";
    return report;
}

}  // namespace vtless::cli
