// SPDX-License-Identifier: MIT
// The VMX backend on the software processor.
#pragma once

#include <array>
#include <memory>

#include "tests/conformance/support/backend.h"

namespace vtless::conformance {

struct VmxOnSim {
    static constexpr const char* kName = "VmxOnSim";
    static constexpr std::array<Variant, 3> kVariants = {
        {{"plain", 0},
         {"engine flushed at random", 1},
         {"engine flushed at random, other seed", 0x9e3779b97f4a7c15}}};
    static std::unique_ptr<Backend> create(const Variant& variant);
};

}  // namespace vtless::conformance
