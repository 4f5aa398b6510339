// SPDX-License-Identifier: MIT
// The MachineCpu that a bound VCpu over VmxVCpu<sim::VmxProcessor> makes, plain or under a Recorder.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "isa/x86/exit_reason.h"
#include "isa/x86/vmcs_field.h"
#include "sim/vmx/vmx_processor.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/vmx_vcpu.h"
#include "vmm/machine_cpu.h"
#include "vmm/standing_clock.h"

namespace vtless::vmm {

using SimVmxVCpu = vmx::VmxVCpu<sim::VmxProcessor>;

// The registers that digests and traces read at each exit.
inline ExitRegisters read_exit_registers(SimVmxVCpu& arch) {
    using x86::VmcsField;
    ExitRegisters registers;
    for (unsigned i = 0; i < x86::kGprCount; ++i) registers.gprs[i] = arch.get_gpr(i).value();
    registers.rip = arch.read_field(VmcsField::GUEST_RIP);
    registers.rflags = arch.read_field(VmcsField::GUEST_RFLAGS);
    registers.cr0 = arch.read_field(VmcsField::GUEST_CR0);
    registers.cr3 = arch.read_field(VmcsField::GUEST_CR3);
    registers.cr4 = arch.read_field(VmcsField::GUEST_CR4);
    return registers;
}

ProcessorState read_processor_state(SimVmxVCpu& arch, const sim::VmxProcessor& processor);

// A is SimVmxVCpu or a Recorder around it. The vCPU is Ready; both outlive this.
template <class A>
class VmxMachineCpu {
  public:
    VmxMachineCpu(VCpu<A>& vcpu, sim::VmxProcessor& processor) : vcpu_(vcpu), processor_(processor) {}

    VCpuResult<VmExit> run() { return vcpu_.run(); }

    VCpuResult<void> complete_port_read(uint64_t value) { return arch().complete_io_read(value); }
    VCpuResult<void> complete_mmio_read(uint64_t value) { return arch().complete_mmio_read(value); }
    VCpuResult<void> complete_msr_read(uint64_t value) { return arch().complete_sysreg_read(value); }
    VCpuResult<void> fault_msr() { return arch().fail_sysreg_access(); }
    void set_hypercall_result(uint64_t value) { arch().set_return_value(value); }

    void set_timer(uint64_t cycles) { processor_.set_host_timer(cycles, kTimerVector); }
    void idle_until(uint64_t target) {
        if (target > cycles()) processor_.engine().wait(target - cycles());
    }

    bool interruptible() { return arch().can_take_interrupt(); }
    VCpuResult<void> inject_interrupt(uint8_t vector) {
        if (auto closed = arch().cancel_interrupt_window(); !closed) return closed;
        return vcpu_.inject_interrupt(vector);
    }
    VCpuResult<void> request_interrupt_window() { return arch().request_interrupt_window(); }
    VCpuResult<void> cancel_interrupt_window() { return arch().cancel_interrupt_window(); }

    uint64_t cycles() const { return processor_.engine().cycles(); }
    uint64_t instructions() const { return processor_.engine().instructions(); }
    ExitRegisters exit_registers() {
        const StandingClock clock(processor_.engine());
        return read_exit_registers(arch());
    }
    ProcessorState processor_state() { return read_processor_state(arch(), processor_); }

  private:
    static constexpr uint8_t kTimerVector = 0x20;  // of the host; the guest never sees it

    SimVmxVCpu& arch() {
        if constexpr (std::is_same_v<A, SimVmxVCpu>) {
            return vcpu_.get_arch_vcpu();
        } else {
            return vcpu_.get_arch_vcpu().inner();
        }
    }

    VCpu<A>& vcpu_;
    sim::VmxProcessor& processor_;
};

}  // namespace vtless::vmm
