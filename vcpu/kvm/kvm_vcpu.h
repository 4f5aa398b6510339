// SPDX-License-Identifier: MIT
// KvmVCpu: the backend of VCpu over Linux KVM. README.md here has its exits and what KVM cannot do.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "isa/x86/exception.h"
#include "vcpu/arch_vcpu.h"
#include "vcpu/capabilities.h"
#include "vcpu/exit.h"
#include "vcpu/kvm/config.h"
#include "vcpu/kvm/guest_state.h"
#include "vcpu/kvm/vm.h"

namespace vtless::kvm {

class Core;

// A guest's misbehaviour is an exit or an event, never an error. Errors carry a FailureDetail. Bound to the
// thread that binds it; only request_exit may be called from another.
class KvmVCpu {
  public:
    struct CreateConfig {
        Vm* vm = nullptr;  // outlives the vCPU
    };
    using SetupConfig = kvm::SetupConfig;

    // vcpu: KVM's id of it, and its APIC id; unique in the VM. InvalidInput without vm.
    static Result<KvmVCpu> create(VmId vm, VCpuId vcpu, const CreateConfig& config);
    KvmVCpu(KvmVCpu&&) noexcept;
    KvmVCpu& operator=(KvmVCpu&&) = delete;
    ~KvmVCpu();

    // Guest-physical, or linear if the entry state has paging; RIP becomes entry minus CS's base.
    Result<void> set_entry(Gpa entry);
    // Frame of the EPT PML4. The VM's memory slots become what EPT says now: see flush_tlb.
    Result<void> set_ept_root(Hpa root);
    Result<void> setup(const SetupConfig& config);
    // One KVM_RUN, or what is left of the last exit. An interrupt window is Nothing.
    Result<VmExit> run();
    // The slice timer and signals are the calling thread's.
    Result<void> bind();
    Result<void> unbind();

    // Index in ModR/M order; 4 is RSP, and there are 16. RAX after an IoRead answers it.
    Result<void> set_gpr(size_t index, uint64_t value);
    Result<uint64_t> get_gpr(size_t index);
    void set_return_value(uint64_t value);
    // All registers. Before a read is completed, and at a WRMSR, RIP is at the instruction.
    Result<GuestState> read_state();
    Result<void> write_state(const GuestState& state);
    // All registers, right after run(), without a change to the guest: KVM finishes no instruction for it.
    Result<ExitState> read_exit_state();

    // By the guest's page tables; nothing where they lead nowhere.
    Result<std::optional<Gpa>> translate(Gva address);

    // As VmxVCpu's. Of the waiting interrupts the highest vector goes first. With the kernel's local APIC
    // inject_interrupt is a fixed MSI to it, at once: ResourceBusy if the guest has it disabled.
    Result<void> inject_interrupt(size_t vector);
    // The vector that the PIC has been asked for. The kernel's local APIC takes it as LVT0 says; without one
    // it is inject_interrupt.
    Result<void> inject_external_interrupt(size_t vector);
    Result<void> inject_exception(x86::Vector vector, uint32_t error_code = 0);
    Result<void> inject_page_fault(Gva address, uint32_t error_code);
    Result<void> inject_nmi();
    // For an external interrupt. False, too, where KVM fails: the next run() says why.
    bool can_take_interrupt();
    Result<void> request_interrupt_window();
    Result<void> cancel_interrupt_window();
    bool has_waiting_events() const;

    // With the kernel's local APIC HLT does not exit. Whether this vCPU stands halted; and whether nothing of
    // its own will wake it, neither timer nor interrupts that wait.
    Result<bool> stands_halted();
    Result<bool> waits_for_others();

    // Completions, after the exit and before the next run(), which fails without them.
    Result<void> complete_io_read(uint64_t value);
    Result<void> complete_mmio_read(uint64_t value);
    Result<void> complete_sysreg_read(uint64_t value);
    // Instead: #GP(0) at the RDMSR or WRMSR of the last SysRegRead or SysRegWrite.
    Result<void> fail_sysreg_access();

    // Of the runs from now on; 0: no limit.
    void set_time_slice(std::chrono::nanoseconds slice);
    // From any thread: run() returns ExternalInterrupt{kRequestVector}, or the next one does.
    void request_exit();
    // After changes to EPT, any of them.
    Result<void> flush_tlb();

    // What KVM cannot do, README.md explains.
    Capabilities capabilities() const;
    static Capabilities capabilities(ApicIn local_apics);

  private:
    explicit KvmVCpu(std::unique_ptr<Core> core);

    std::unique_ptr<Core> core_;
};

}  // namespace vtless::kvm
