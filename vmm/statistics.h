// SPDX-License-Identifier: MIT
// What a run counted, and the two ways of showing it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "vcpu/exit.h"

namespace vtless::sim {
class Sanitizer;
}

namespace vtless::vmm {

struct ExitStatistics {
    uint64_t count = 0;
    uint64_t cycles = 0;             // simulated, from the return of the exit before to this one
    uint64_t guest_nanoseconds = 0;  // host time inside VCpu::run, simulator included
    uint64_t vmm_nanoseconds = 0;    // host time in the VMM until the next entry
};

struct RunStatistics {
    std::array<ExitStatistics, kExitKinds> exits{};
    uint64_t cycles = 0;
    uint64_t cycles_per_second = 0;  // of device time
    uint64_t idle_cycles = 0;        // of them, halted and waiting for a device
    uint64_t instructions = 0;
    uint64_t interrupts = 0;  // injected
    uint64_t host_nanoseconds = 0;
    uint64_t digest = 0;
    uint64_t time_digest = 0;
    std::map<uint32_t, uint64_t> refused_msrs;
    bool simulated = true;  // else there are no cycles, instructions and digests, and reports have none

    ExitStatistics& of(ExitKind kind) { return exits[static_cast<size_t>(kind)]; }
    uint64_t total_exits() const;
};

// How a run ended, for the report: see machine.h.
struct RunEnd {
    std::string text;
    int status = 0;
    const sim::Sanitizer* sanitizer = nullptr;  // whose findings the JSON has
};

// A table for people, lines ended by newlines.
std::string text_report(const RunStatistics& statistics, const RunEnd& end);
// One line of JSON.
std::string json_report(const RunStatistics& statistics, const RunEnd& end);

}  // namespace vtless::vmm
