// SPDX-License-Identifier: MIT
// What the model says of what has been published, profile by profile.
#pragma once

#include <string>
#include <vector>

#include "vmm/timing_profile.h"

namespace vtless::lab {

// A published number beside what a guest on the model takes, in cycles.
struct Validated {
    std::string profile;
    std::string number;
    double model = 0;
    uint32_t published = 0;
    bool input = false;  // the model was given it; else it is only a check
    std::string source;

    double error_percent() const { return 100 * (model - published) / published; }
};

// Runs a guest on the profile's timing and compares what it takes, which is the round trip of a VM exit.
// Other numbers have no guest that measures them, and no row. The error says what is unknown, or does not
// work.
vmm::Result<std::vector<Validated>> validate(const vmm::TimingProfile& profile);

}  // namespace vtless::lab
