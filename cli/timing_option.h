// SPDX-License-Identifier: MIT
// --profile and --fidelity, of the commands that run something on the simulated processor.
#pragma once

#include <CLI/CLI.hpp>

#include <map>
#include <string>

#include "vmm/timing_profile.h"

namespace vtless::cli {

struct TimingOptions {
    std::string profile = vmm::kDefaultTiming;
    sim::Fidelity fidelity = sim::Fidelity::Approx;

    friend bool operator==(const TimingOptions&, const TimingOptions&) = default;
};

inline void add_timing_options(CLI::App& app, TimingOptions& options) {
    app.add_option("--profile", options.profile,
                   "What VM exits and the like take: a name that `vtless profiles` lists, or a path")
        ->type_name("NAME|FILE")
        ->capture_default_str();
    const std::map<std::string, sim::Fidelity> fidelities(vmm::kFidelities.begin(), vmm::kFidelities.end());
    app.add_option(
           "--fidelity", options.fidelity,
           "What simulated time is: count, instructions; approx, what they and the processor's work take")
        ->transform(CLI::CheckedTransformer(fidelities))
        ->type_name("count|approx")
        ->default_str(vmm::kFidelities.front().first);
}

inline vmm::Result<void> take_timing(const TimingOptions& options, sim::EngineConfig& engine) {
    const auto profile = vmm::load_timing_profile(options.profile);
    if (!profile) return vmm::fail("--profile: {}", profile.error().message);
    if (const auto applied = vmm::apply(*profile, engine); !applied)
        return vmm::fail("--profile: {}", applied.error().message);
    if (options.fidelity == sim::Fidelity::Count) engine.count_instructions();
    return {};
}

}  // namespace vtless::cli
