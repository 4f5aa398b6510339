// SPDX-License-Identifier: MIT
// Machines and processors: opened, closed, and what handles are good for.
#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>

#include "capi/handles.h"
#include "capi/sized.h"
#include "vmm/cpu_profile.h"

namespace vtless::capi {
namespace {

// What the tables for it cost the host is an eightieth of it or so, and is spent at once.
constexpr uint64_t kMostMemory = uint64_t{64} << 30;

// Handles are never given back to the allocator: one that is closed must be known for as long as a caller
// holds it.
template <class Handle>
Handle* new_handle() {
    static std::mutex mutex;
    static auto& handles = *new std::deque<Handle>;
    const std::lock_guard lock(mutex);
    return &handles.emplace_back();
}

vtless_error check_version(uint32_t major, uint32_t minor) {
    if (major == VTLESS_ABI_MAJOR && minor <= VTLESS_ABI_MINOR) return VTLESS_OK;
    return refuse(VTLESS_BAD_VERSION,
                  "the caller was compiled for ABI {}.{} of vtless; this library has {}.{}", major, minor,
                  VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR);
}

Expected<sim::VmxCapabilities, vtless_error> find_profile(const char* name) {
    auto profile = vmm::load_cpu_profile(name == nullptr ? "default" : name);
    if (!profile) return Unexpected(refuse(VTLESS_BAD_PROFILE, profile.error().message));
    return profile->advertised;
}

vtless_error open(const vtless_machine_config& config, vtless_machine** machine) {
    const uint64_t bytes = config.memory_bytes;
    if (bytes % sim::HostMemory::kFrameSize != 0 || bytes < 2 * sim::HostMemory::kFrameSize ||
        bytes > kMostMemory) {
        return refuse(VTLESS_BAD_SIZE,
                      "memory_bytes is {:#x}: a multiple of 4096 from 8192 to {:#x} is wanted", bytes,
                      kMostMemory);
    }
    const auto capabilities = find_profile(config.cpu_profile);
    if (!capabilities) return capabilities.error();
    if ((bytes - 1) >> capabilities->physical_bits != 0) {
        return refuse(VTLESS_BAD_SIZE, "{:#x} bytes of memory on a processor with addresses of {} bits",
                      bytes, capabilities->physical_bits);
    }
    auto memory = sim::HostMemory::create(bytes);
    if (!memory) {
        return refuse(VTLESS_NO_MEMORY, "the host has no {:#x} bytes of memory: {}", bytes,
                      std::strerror(memory.error()));
    }
    vtless_machine* const made = new_handle<vtless_machine>();
    made->body = std::make_unique<Machine>(std::move(*memory), *capabilities);
    *machine = made;
    return VTLESS_OK;
}

}  // namespace

vtless_error refuse_handle(const vtless_machine* machine) {
    if (machine == nullptr) return refuse(VTLESS_BAD_HANDLE, "the machine is null");
    if (machine->body == nullptr) return refuse(VTLESS_BAD_HANDLE, "the machine was closed");
    return refuse(VTLESS_BUSY, "a guest of the machine is running in another thread");
}

vtless_error refuse_handle(const vtless_processor* processor) {
    if (processor == nullptr) return refuse(VTLESS_BAD_HANDLE, "the processor is null");
    if (processor->body == nullptr) return refuse(VTLESS_BAD_HANDLE, "the processor was removed");
    return refuse(VTLESS_BUSY, "a guest of the machine is running in another thread");
}

void Machine::watch_again() {
    watched.clear();
    if (processors.size() > 1) {
        watched.push_back({0, memory.size()});  // each guest may write what another has translated
    } else {
        for (const Mapping& each : mappings) {
            if (each.mode == VTLESS_MAP_CHECKED) watched.push_back(each.range);
        }
    }
    for (const vtless_processor* each : processors) {
        each->body->code.check(memory);
        for (const Range& range : watched) each->body->code.remember(each->body->hw->engine(), memory, range);
    }
}

}  // namespace vtless::capi

using namespace vtless;
using namespace vtless::capi;

uint32_t vtless_abi_version(void) { return VTLESS_ABI_MAJOR << 16 | VTLESS_ABI_MINOR; }

vtless_error vtless_open(uint32_t abi_major, uint32_t abi_minor, const vtless_machine_config* config,
                         vtless_machine** machine) {
    if (const auto error = check_version(abi_major, abi_minor)) return error;
    if (const auto error = need(config, "config")) return error;
    if (const auto error = need(machine, "machine")) return error;
    vtless_machine_config known{};
    if (const auto error = take_sized(known, config, "vtless_machine_config")) return error;
    if (known.reserved != 0) return refuse(VTLESS_BAD_VERSION, "vtless_machine_config.reserved is not 0");
    return open(known, machine);
}

vtless_error vtless_close(vtless_machine* machine) {
    if (machine == nullptr) return VTLESS_OK;
    if (const auto error = check(machine)) return error;
    for (vtless_processor* each : machine->body->processors) each->body.reset();
    machine->body.reset();
    return VTLESS_OK;
}

vtless_error vtless_add_processor(vtless_machine* machine, vtless_processor** processor) {
    if (const auto error = check(machine, processor, "processor")) return error;
    Machine& body = *machine->body;
    sim::VmxProcessorConfig config;
    config.capabilities = body.capabilities;
    config.sanitizer = body.sanitizer.get();
    auto created = sim::VmxProcessor::create(body.memory, config);
    if (!created) return refuse(VTLESS_NO_ENGINE, std::move(created).error());
    vtless_processor* const made = new_handle<vtless_processor>();
    made->body = std::make_unique<Processor>();
    made->body->machine = &body;
    made->body->hw = std::move(created).value();
    body.processors.push_back(made);
    body.watch_again();
    *processor = made;
    return VTLESS_OK;
}

vtless_error vtless_remove_processor(vtless_processor* processor) {
    if (const auto error = check(processor)) return error;
    Machine& machine = *processor->body->machine;
    std::erase(machine.processors, processor);
    processor->body.reset();
    machine.watch_again();
    return VTLESS_OK;
}
