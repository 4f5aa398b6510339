// SPDX-License-Identifier: MIT
// The MachineCpu that a bound VCpu<KvmVCpu> makes. Its cycles are the host's nanoseconds since it was made,
// and those that HLT skipped.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "vcpu/kvm/kvm_vcpu.h"
#include "vcpu/vcpu.h"
#include "vmm/machine_cpu.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

// The vCPU is Ready; both outlive this.
class KvmMachineCpu {
  public:
    static constexpr bool kRepeatable = false;

    KvmMachineCpu(VCpu<kvm::KvmVCpu>& vcpu, const GuestMemory& memory) : vcpu_(vcpu), memory_(memory) {}

    VCpuResult<VmExit> run();
    VCpuResult<void> complete_port_read(uint64_t value) { return arch().complete_io_read(value); }
    VCpuResult<void> complete_mmio_read(uint64_t value) { return arch().complete_mmio_read(value); }
    VCpuResult<void> complete_msr_read(uint64_t value) { return arch().complete_sysreg_read(value); }
    VCpuResult<void> fault_msr() { return arch().fail_sysreg_access(); }
    void set_hypercall_result(uint64_t value) { arch().set_return_value(value); }

    void set_timer(uint64_t cycles) { timer_ = cycles; }
    void idle_until(uint64_t target);

    bool interruptible() { return arch().can_take_interrupt(); }
    VCpuResult<void> inject_interrupt(uint8_t vector);
    VCpuResult<void> request_interrupt_window() { return arch().request_interrupt_window(); }
    VCpuResult<void> cancel_interrupt_window() { return arch().cancel_interrupt_window(); }

    uint64_t cycles() const;
    uint64_t instructions() const { return 0; }  // KVM does not count them
    ExitRegisters exit_registers();
    ProcessorState processor_state();

  private:
    using Clock = std::chrono::steady_clock;

    kvm::KvmVCpu& arch() { return vcpu_.get_arch_vcpu(); }

    std::vector<uint8_t> read_code(Gva start);

    VCpu<kvm::KvmVCpu>& vcpu_;
    const GuestMemory& memory_;
    std::string note_;  // why the last entry failed
    Clock::time_point start_ = Clock::now();
    uint64_t skipped_ = 0;
    uint64_t timer_ = ~uint64_t{0};
};
static_assert(MachineCpu<KvmMachineCpu>);

}  // namespace vtless::vmm
