// SPDX-License-Identifier: MIT
// The beginning of a real guest's boot, by the reference VMM, as exact counters.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "vmm/error.h"

namespace vtless::bench {

struct BootSlice {
    std::string name;   // NAME@DIGEST: what is counted depends on the image
    std::string image;  // path of a firmware
    uint64_t exits = 0;
};

// Of those images that scripts/setup has put where the build looks for them.
std::vector<BootSlice> boot_slices();
// Totals of the slice, without the set-up before it, by the names that operations' counters have.
vmm::Result<std::map<std::string, double>> count(const BootSlice& slice);

}  // namespace vtless::bench
