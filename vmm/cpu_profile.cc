// SPDX-License-Identifier: MIT
#include "vmm/cpu_profile.h"

#include "vmm/profile_file.h"

namespace vtless::vmm {

namespace {

constexpr const char* kDefault = "default";

CpuProfile default_profile() {
    return {kDefault,
            "Everything that the engine can do",
            {"sim/vmx/capability.h"},
            sim::kEngineCapabilities,
            sim::kEngineCapabilities};
}

}  // namespace

std::vector<std::string> cpu_profile_names() {
    std::vector<std::string> names{kDefault};
    for (const EmbeddedProfile& each : embedded_cpu_profiles()) names.emplace_back(each.name);
    return names;
}

Result<CpuProfile> load_cpu_profile(const std::string& name) {
    if (name == kDefault) return default_profile();
    const auto text = profile_text(name, {"processor", embedded_cpu_profiles(), cpu_profile_names()});
    if (!text) return Unexpected(text.error());
    return parse_cpu_profile(*text, name);
}

}  // namespace vtless::vmm
