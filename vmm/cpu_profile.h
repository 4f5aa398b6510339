// SPDX-License-Identifier: MIT
// Processor profiles: what a processor's capability MSRs and CPUID say, as data. docs/profiles.md has the
// format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/vmx/capability.h"
#include "vmm/error.h"

namespace vtless::vmm {

struct CpuProfile {
    std::string name;
    std::string processor;             // which part, for people
    std::vector<std::string> sources;  // where the values are from
    sim::VmxCapabilities claimed;      // as the part has them
    sim::VmxCapabilities advertised;   // cut to what the engine can do
};

// "default" (everything that the engine can do) and those that are built in.
std::vector<std::string> cpu_profile_names();

// A built-in profile by its name, or one from a file: a name with a '/' or the ending ".json" is a path.
Result<CpuProfile> load_cpu_profile(const std::string& name);
// origin is what errors name.
Result<CpuProfile> parse_cpu_profile(std::string_view text, const std::string& origin);

}  // namespace vtless::vmm
