// SPDX-License-Identifier: MIT
// A simulated computer for one guest: host-physical memory, a processor in VMX operation, and the guest's
// memory in it, reached through EPT.
#pragma once

#include <memory>
#include <utility>

#include "sim/vmx/vmx_processor.h"
#include "vcpu/per_cpu.h"
#include "vcpu/phys_cpu.h"
#include "vcpu/vmx/vmx_per_cpu.h"
#include "vmm/device.h"
#include "vmm/error.h"
#include "vmm/memory/mapped_memory.h"

namespace vtless::vmm {

class SimPlatform {
  public:
    // rom: bytes of read-only memory that end at 4 GiB; may be 0. Both are multiples of 4 KiB.
    static Result<std::unique_ptr<SimPlatform>> create(const MemoryLayout& layout, uint64_t rom,
                                                       const sim::VmxProcessorConfig& config = {});
    SimPlatform(const SimPlatform&) = delete;
    SimPlatform& operator=(const SimPlatform&) = delete;

    sim::VmxProcessor& processor() { return *processor_; }
    PhysCpu& phys_cpu() { return phys_cpu_; }
    GuestMemory& guest_memory() { return memory_.guest(); }
    Hpa ept_root() const { return memory_.ept_root(); }

  private:
    explicit SimPlatform(MappedMemory&& memory) : memory_(std::move(memory)) {}

    Result<void> start_processor(const sim::VmxProcessorConfig& config);

    MappedMemory memory_;
    std::unique_ptr<sim::VmxProcessor> processor_;
    PhysCpu phys_cpu_{0};
    PerCpu<vmx::VmxPerCpu<sim::VmxProcessor>> per_cpu_;
};

}  // namespace vtless::vmm
