// SPDX-License-Identifier: MIT
// What the handles of the C interface stand for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "capi/code_watch.h"
#include "capi/error.h"
#include "capi/frames.h"
#include "sim/mmu/host_memory.h"
#include "sim/sanitizer/sanitizer.h"
#include "sim/vmx/vmx_processor.h"

namespace vtless::capi {

struct Machine;

struct Processor {
    Machine* machine = nullptr;
    std::unique_ptr<sim::VmxProcessor> hw;
    sim::Gprs gprs;
    CodeWatch code;
};

struct Mapping {
    void* pointer = nullptr;
    Range range;
    uint32_t mode = VTLESS_MAP_CHECKED;
};

struct Machine {
    Machine(sim::HostMemory&& ram, const sim::VmxCapabilities& cpu)
        : memory(std::move(ram)),
          frames(memory.size() / sim::HostMemory::kFrameSize),
          capabilities(cpu),
          watched() {}

    sim::HostMemory memory;
    Frames frames;
    sim::VmxCapabilities capabilities;
    std::unique_ptr<sim::Sanitizer> sanitizer;  // or none
    std::vector<vtless_processor*> processors;
    std::vector<Mapping> mappings;
    std::vector<Range> watched;         // where code may change unnoted: before each VM entry it is looked at
    std::atomic<bool> running = false;  // a guest of it, in some thread

    // Brings `watched` in line with mappings and processors, for processors that have code already too.
    void watch_again();
};

}  // namespace vtless::capi

// Handles outlive what they stand for, so that a closed one is known.
struct vtless_machine {
    std::unique_ptr<vtless::capi::Machine> body;
};
struct vtless_processor {
    std::unique_ptr<vtless::capi::Processor> body;
};

namespace vtless::capi {

// Out of line: what is wrong with a handle that the functions below refuse.
[[gnu::cold]] vtless_error refuse_handle(const vtless_machine* machine);
[[gnu::cold]] vtless_error refuse_handle(const vtless_processor* processor);

inline bool usable(const vtless_machine* machine) {
    return machine != nullptr && machine->body != nullptr &&
           !machine->body->running.load(std::memory_order_relaxed);
}
inline bool usable(const vtless_processor* processor) {
    return processor != nullptr && processor->body != nullptr &&
           !processor->body->machine->running.load(std::memory_order_relaxed);
}

// An output pointer's check and a handle's, in one.
template <class Handle>
vtless_error check(const Handle* handle, const void* output, const char* name) {
    if (!usable(handle)) return refuse_handle(handle);
    return need(output, name);
}
template <class Handle>
vtless_error check(const Handle* handle) {
    return usable(handle) ? VTLESS_OK : refuse_handle(handle);
}

}  // namespace vtless::capi
