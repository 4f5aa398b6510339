// SPDX-License-Identifier: MIT
// One misuse, and where it happened.
#pragma once

#include <cstdint>
#include <string>

#include "isa/addr.h"
#include "sim/sanitizer/rule.h"

namespace vtless::sim {

// Where the processor was.
struct FindingSite {
    unsigned processor = 0;  // in the order in which they were made
    uint64_t exits = 0;      // VM exits that the processor had seen
    uint64_t cycles = 0;     // of its engine
    uint64_t rip = 0;        // the guest's, of the current VMCS; 0 without one
    Hpa vmcs;                // the VMCS concerned
};

struct Finding {
    Rule rule{};
    FindingSite site;     // the first time
    std::string details;  // this case in words: values, addresses
    uint64_t count = 1;   // how often
};

// One line without its end: rule, site, details, what to do.
std::string describe(const Finding& finding);

}  // namespace vtless::sim
