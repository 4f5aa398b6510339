// SPDX-License-Identifier: MIT
// The KVM backend on the /dev/kvm of this machine.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "tests/conformance/support/backend.h"

namespace vtless::conformance {

struct KvmOnLinux {
    static constexpr const char* kName = "KvmOnLinux";
    static constexpr const char* kArch = "kvm";
    static constexpr std::array<Variant, 1> kVariants = {{{"plain"}}};
    static std::unique_ptr<Backend> create(const Variant& variant);
    static bool may_skip() { return true; }
    // nullptr: none is known.
    static const Deviation* deviation(const std::string& test, const Backend& backend);
};

}  // namespace vtless::conformance
