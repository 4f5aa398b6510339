// SPDX-License-Identifier: MIT
#include "vmm/sim_platform.h"

#include <utility>

#include "vcpu/vmx/failure.h"

namespace vtless::vmm {

Result<std::unique_ptr<SimPlatform>> SimPlatform::create(const MemoryLayout& layout, uint64_t rom,
                                                         const sim::VmxProcessorConfig& config) {
    auto memory = MappedMemory::create(layout, rom);
    if (!memory) return Unexpected(memory.error());
    std::unique_ptr<SimPlatform> platform(new SimPlatform(std::move(*memory)));
    if (auto started = platform->start_processor(config); !started) return Unexpected(started.error());
    if (auto mapped = platform->memory_.map_guest(layout, rom); !mapped) return Unexpected(mapped.error());
    return platform;
}

Result<void> SimPlatform::start_processor(const sim::VmxProcessorConfig& config) {
    auto processor = sim::VmxProcessor::create(memory_.host(), config);
    if (!processor) return fail("the simulated processor cannot start: {}", processor.error());
    processor_ = std::move(*processor);
    auto enabled = per_cpu_.init(0, {processor_.get()});
    if (enabled) enabled = per_cpu_.hardware_enable();
    if (enabled) return {};
    char text[256];
    vmx::describe(enabled.error(), text, sizeof text);
    return fail("VMX operation cannot be entered: {}", text);
}

}  // namespace vtless::vmm
