// SPDX-License-Identifier: MIT
// The VMX backend on the software processor.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "tests/conformance/support/backend.h"

namespace vtless::conformance {

struct VmxOnSim {
    static constexpr const char* kName = "VmxOnSim";
    static constexpr const char* kArch = "vmx";
    // The engine flushes at about one start in eight. These seeds flush, between them, at each of the
    // first 24.
    static constexpr std::array<Variant, 6> kVariants = {{{"plain", 0},
                                                          {"engine flushed, seed 1", 0xe7174df049c160f9},
                                                          {"engine flushed, seed 2", 0x97039fba46f4c491},
                                                          {"engine flushed, seed 3", 0xb776c67b120d19f7},
                                                          {"engine flushed, seed 4", 0xe35ed14e384ca9d3},
                                                          {"sanitized", 0, true}}};
    static std::unique_ptr<Backend> create(const Variant& variant);
    // Only on a processor that was asked for: the default one must run every case.
    static bool may_skip();
    // Of the engine: sim/DEVIATIONS.md.
    static const Deviation* deviation(const std::string& test, const Backend& backend);
};

}  // namespace vtless::conformance
