// SPDX-License-Identifier: MIT
// --profile, of the commands that run something on the simulated processor.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "vmm/timing_profile.h"

namespace vtless::cli {

inline void add_timing_option(CLI::App& app, std::string& name) {
    app.add_option("--profile", name,
                   "What VM exits and the like take: a name that `vtless profiles` lists, or a path")
        ->type_name("NAME|FILE")
        ->capture_default_str();
}

inline vmm::Result<void> take_timing(const std::string& name, sim::EngineConfig& engine) {
    const auto profile = vmm::load_timing_profile(name);
    if (!profile) return vmm::fail("--profile: {}", profile.error().message);
    if (const auto applied = vmm::apply(*profile, engine); !applied)
        return vmm::fail("--profile: {}", applied.error().message);
    return {};
}

}  // namespace vtless::cli
