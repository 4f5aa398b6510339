// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tests/conformance/support/backend.h"

namespace vtless::conformance {

// nullptr: the case must pass. virtualizes: KVM stands on VMX or SVM; amd: the vendor that CPUID names.
const Deviation* kvm_deviation(const std::string& test, bool virtualizes, bool amd);

}  // namespace vtless::conformance
