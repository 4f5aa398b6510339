// SPDX-License-Identifier: MIT
// The files of vmm/profiles and vmm/timing, as CMake has put them into the library.
#pragma once

#include <span>

namespace vtless::vmm {

struct EmbeddedProfile {
    const char* name;
    const char* text;
};

std::span<const EmbeddedProfile> embedded_cpu_profiles();
std::span<const EmbeddedProfile> embedded_timing_profiles();

}  // namespace vtless::vmm
