// SPDX-License-Identifier: MIT
// The MachineCpu that a bound VCpu<KvmVCpu> makes. Its cycles are the host's nanoseconds since it was made,
// and those that HLT skipped.
#pragma once

#include <chrono>
#include <string>
#include <type_traits>
#include <vector>

#include "vcpu/kvm/kvm_vcpu.h"
#include "vcpu/vcpu.h"
#include "vmm/machine_cpu.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

// All but what goes through VCpu. Both outlive this.
class KvmMachineBase {
  public:
    static constexpr bool kRepeatable = false;
    static constexpr bool kHasApic = true;  // by option

    KvmMachineBase(kvm::KvmVCpu& arch, const GuestMemory& memory) : arch_(arch), memory_(memory) {}

    VCpuResult<void> complete_port_read(uint64_t value) { return arch_.complete_io_read(value); }
    VCpuResult<void> complete_mmio_read(uint64_t value) { return arch_.complete_mmio_read(value); }
    VCpuResult<void> complete_msr_read(uint64_t value) { return arch_.complete_sysreg_read(value); }
    VCpuResult<void> fault_msr() { return arch_.fail_sysreg_access(); }
    void set_hypercall_result(uint64_t value) { arch_.set_return_value(value); }

    void set_timer(uint64_t cycles) { timer_ = cycles; }
    void idle_until(uint64_t target);

    bool interruptible() { return arch_.can_take_interrupt(); }
    VCpuResult<void> request_interrupt_window() { return arch_.request_interrupt_window(); }
    VCpuResult<void> cancel_interrupt_window() { return arch_.cancel_interrupt_window(); }

    uint64_t cycles() const;
    uint64_t instructions() const { return 0; }  // KVM does not count them
    ExitRegisters exit_registers();
    ProcessorState processor_state();

  protected:
    void start_slice();
    VCpuResult<VmExit> end_of_slice();
    void note_failed_entry(const VmExit& exit);

  private:
    using Clock = std::chrono::steady_clock;

    std::vector<uint8_t> read_code(Gva start);

    kvm::KvmVCpu& arch_;
    const GuestMemory& memory_;
    std::string note_;  // why the last entry failed
    Clock::time_point start_ = Clock::now();
    uint64_t skipped_ = 0;
    uint64_t timer_ = ~uint64_t{0};
};

// A is KvmVCpu or a Recorder around it. The vCPU is Ready; both outlive this, and stay where they are.
template <class A>
class KvmMachineCpu : public KvmMachineBase {
  public:
    KvmMachineCpu(VCpu<A>& vcpu, const GuestMemory& memory)
        : KvmMachineBase(backend(vcpu), memory), vcpu_(vcpu) {}

    VCpuResult<VmExit> run() {
        start_slice();
        auto exit = vcpu_.run();
        if (!exit) return exit;
        note_failed_entry(*exit);
        return exit->template is<VmExit::PreemptionTimer>() ? end_of_slice() : exit;
    }
    // The PIC's.
    VCpuResult<void> inject_interrupt(uint8_t vector) {
        if (auto closed = cancel_interrupt_window(); !closed) return closed;
        return backend(vcpu_).inject_external_interrupt(vector);
    }

  private:
    static kvm::KvmVCpu& backend(VCpu<A>& vcpu) {
        if constexpr (std::is_same_v<A, kvm::KvmVCpu>) {
            return vcpu.get_arch_vcpu();
        } else {
            return vcpu.get_arch_vcpu().inner();
        }
    }

    VCpu<A>& vcpu_;
};
static_assert(MachineCpu<KvmMachineCpu<kvm::KvmVCpu>>);

}  // namespace vtless::vmm
