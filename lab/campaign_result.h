// SPDX-License-Identifier: MIT
// What became of one run of a campaign.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lab/child_process.h"

namespace vtless::lab {

struct RunResult {
    enum class Outcome : uint8_t {
        Ended,     // with a report; all others are run again by the next campaign
        Died,      // by a signal, or without a report
        TimedOut,  // host_seconds had passed
        Refused,   // its command line or files: it never began
    };

    Outcome outcome = Outcome::Refused;
    std::string detail;    // why it has no report; empty if it has
    std::string report;    // JSON of `vtless run --stats json`
    std::string messages;  // what it wrote to standard error
};

// Of a report, what is a function of the guest.
struct RunCounts {
    std::string end;
    uint64_t status = 0;
    std::string digest;
    std::string time_digest;
    uint64_t instructions = 0;
    uint64_t cycles = 0;
    uint64_t idle_cycles = 0;
    uint64_t interrupts = 0;
    uint64_t total_exits = 0;
};

const char* name(RunResult::Outcome outcome);
std::optional<RunResult::Outcome> outcome_named(const std::string& name);
// Nothing if it is not a whole report of a run on the simulated processor.
std::optional<RunCounts> parse_report(const std::string& report);
// Of a child that has ended by itself.
RunResult result_of(ChildEnd end);

}  // namespace vtless::lab
