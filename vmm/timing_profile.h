// SPDX-License-Identifier: MIT
// What a microarchitecture takes for what the processor does around guest code: published numbers with their
// source, and free parameters that say so. docs/timing.md has the format.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/engine/engine.h"
#include "vmm/error.h"

namespace vtless::vmm {

struct TimingNumber {
    std::string name;
    std::optional<uint32_t> value;  // cycles, or percent; nothing: unknown
    std::string source;             // or why it is a free parameter
    bool free = false;
};

// A published number that is not an input: what the model says is compared with it.
struct TimingCheck {
    std::string name;  // of the number that it should be near
    uint32_t value = 0;
    std::string source;
};

struct TimingProfile {
    std::string name;
    std::string processor;
    std::string instructions;  // the model of sim::CostTable; empty: unknown
    std::string instructions_source;
    // docs/timing.md lists them.
    std::vector<TimingNumber> numbers;
    std::vector<TimingCheck> checks;

    const TimingNumber& number(std::string_view name) const;
};

inline constexpr const char* kDefaultTiming = "haswell";
// As --fidelity takes them; the first is the default.
inline constexpr std::array<std::pair<const char*, sim::Fidelity>, 2> kFidelities = {
    {{"approx", sim::Fidelity::Approx}, {"count", sim::Fidelity::Count}}};
inline constexpr const char* kVmExitRoundTrip = "vm_exit_round_trip";

// By age.
std::vector<std::string> timing_profile_names();
// A built-in profile by its name, or one from a file: a name with a '/' or the ending ".json" is a path.
Result<TimingProfile> load_timing_profile(const std::string& name);
// origin is what errors name.
Result<TimingProfile> parse_timing_profile(std::string_view text, const std::string& origin);

// Puts the numbers into the engine's configuration; an error names one that is unknown.
Result<void> apply(const TimingProfile& profile, sim::EngineConfig& config);

}  // namespace vtless::vmm
