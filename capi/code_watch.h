// SPDX-License-Identifier: MIT
// Notices that memory with translated code was written by somebody who does not say so.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/addr.h"
#include "sim/engine/engine.h"
#include "sim/mmu/host_memory.h"

namespace vtless::capi {

// Bytes of host-physical memory.
struct Range {
    uint64_t first = 0;
    uint64_t bytes = 0;
};

// Of one processor. Between a VM exit and the next VM entry its code does not change by itself: what differs
// then was written from outside.
class CodeWatch {
  public:
    // After a VM exit, or as soon as a range begins to be watched.
    void remember(const sim::Engine& engine, const sim::HostMemory& memory, Range range);
    // Before a VM entry: notes as written what differs, and forgets all.
    void check(const sim::HostMemory& memory);

  private:
    struct Page {
        uint64_t address = 0;
        uint64_t hash = 0;
    };
    std::vector<Page> pages_;
};

}  // namespace vtless::capi
