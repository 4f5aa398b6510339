// SPDX-License-Identifier: MIT
// The guest as a hypervisor runs it: VCpu over VmxVCpu over the software VMX processor, 64-bit mode, EPT and
// VPID on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "bench/support/entry_state.h"
#include "bench/support/guest_memory.h"
#include "sim/vmx/vmx_processor.h"
#include "vcpu/per_cpu.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/vmx_per_cpu.h"
#include "vcpu/vmx/vmx_vcpu.h"

namespace vtless::bench {

class VcpuGuest {
  public:
    using Backend = vmx::VmxVCpu<sim::VmxProcessor>;

    using Change = void (*)(vmx::SetupConfig&);

    // With a change of the usual configuration, and counted, if these are not null; with a seed that is not 0
    // the engine's own TLB is flushed at pseudo-random moments.
    explicit VcpuGuest(std::span<const uint8_t> code, Change change = nullptr,
                       sim::VmxCounts* counts = nullptr, uint64_t flush_seed = 0)
        : memory_(code), processor_(create_processor(memory_.host(), counts, flush_seed)) {
        VTLESS_CHECK(per_cpu_.init(0, {processor_.get()}));
        VTLESS_CHECK(per_cpu_.hardware_enable());
        vcpu_ = std::make_unique<VCpu<Backend>>(
            VCpu<Backend>::create(phys_cpu_, {}, {processor_.get(), 0, {}}).value());
        vmx::SetupConfig setup = config();
        if (change != nullptr) change(setup);
        VTLESS_CHECK(vcpu_->setup(Gpa(GuestLayout::kCode), memory_.ept_root(), setup));
        VTLESS_CHECK(vcpu_->bind());
    }

    VCpu<Backend>& vcpu() { return *vcpu_; }
    Backend& backend() { return vcpu_->get_arch_vcpu(); }
    sim::VmxProcessor& processor() { return *processor_; }
    GuestMemory& memory() { return memory_; }

    // Runs, and checks that the exit is of this kind.
    template <class Exit>
    void run_to() {
        const Result<VmExit> exit = vcpu_->run();
        VTLESS_CHECK(exit && exit->template is<Exit>());
    }
    void set_rip(uint64_t rip) { backend().write_field(x86::VmcsField::GUEST_RIP, rip); }
    void set_gpr(x86::Gpr gpr, uint64_t value) {
        VTLESS_CHECK(vcpu_->set_gpr(static_cast<size_t>(gpr), value));
    }
    // From the start of the code to its HLT.
    void run_loop(uint64_t iterations) {
        set_gpr(x86::Gpr::RCX, iterations);
        set_rip(GuestLayout::kCode);
        run_to<VmExit::Halt>();
    }

  private:
    static std::unique_ptr<sim::VmxProcessor> create_processor(sim::HostMemory& memory,
                                                               sim::VmxCounts* counts, uint64_t flush_seed) {
        sim::VmxProcessorConfig config;
        config.engine.flush_seed = flush_seed;
        config.counts = counts;
        return sim::VmxProcessor::create(memory, config).value();
    }
    static vmx::SetupConfig config() {
        vmx::SetupConfig config;
        config.entry_state = entry_state();
        return config;
    }

    GuestMemory memory_;
    std::unique_ptr<sim::VmxProcessor> processor_;
    PerCpu<vmx::VmxPerCpu<sim::VmxProcessor>> per_cpu_;
    PhysCpu phys_cpu_{0};
    std::unique_ptr<VCpu<Backend>> vcpu_;
};

}  // namespace vtless::bench
