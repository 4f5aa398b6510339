// SPDX-License-Identifier: MIT
// A guest whose hypervisor's work is counted, and what came of running it.
#pragma once

#include <map>
#include <string>

#include "bench/support/vcpu_guest.h"
#include "sim/vmx/vmx_counts.h"

namespace vtless::bench {

// Totals since the guest was made.
struct Counts {
    uint64_t cycles = 0;
    uint64_t instructions = 0;
    sim::Mmu::Counters walks;
    sim::VmxCounts vmx;
};

class CountedGuest {
  public:
    explicit CountedGuest(std::span<const uint8_t> code, VcpuGuest::Change change = nullptr,
                          uint64_t flush_seed = 0)
        : guest_(code, change, &vmx_, flush_seed) {}

    VcpuGuest& operator*() { return guest_; }
    VcpuGuest* operator->() { return &guest_; }
    Counts counts() {
        sim::VmxProcessor& processor = guest_.processor();
        return {processor.rdtsc(), processor.engine().instructions(), processor.mmu().counters(), vmx_};
    }

  private:
    sim::VmxCounts vmx_;
    VcpuGuest guest_;
};

// What one of `operations` operations between the two took, by the name of the counter.
std::map<std::string, double> per_operation(const Counts& before, const Counts& after, uint64_t operations);

}  // namespace vtless::bench
