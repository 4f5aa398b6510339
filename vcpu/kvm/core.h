// SPDX-License-Identifier: MIT
// A vCPU of KVM: its descriptor, its registers, its events, and KVM_RUN.
#pragma once

#include <linux/kvm.h>

#include <bitset>
#include <deque>
#include <optional>

#include "isa/x86/exception.h"
#include "vcpu/arch_vcpu.h"
#include "vcpu/kvm/exits.h"
#include "vcpu/kvm/kick.h"
#include "vcpu/kvm/registers.h"

namespace vtless::kvm {

struct Exception {
    x86::Vector vector{};
    bool has_error_code = false;
    uint32_t error_code = 0;
    std::optional<uint64_t> address;  // of a page fault, for CR2
};

// Its address stays.
class Core {
  public:
    static constexpr size_t kExceptions = 8;

    Core(Vm& vm, VCpuId id, Descriptor&& fd, Mapping&& shared)
        : vm_(vm),
          id_(id),
          fd_(std::move(fd)),
          shared_(std::move(shared)),
          exits_(shared_.data(), shared_.size(), config_),
          kick_(&exits_.run().immediate_exit, vm.kick_signal()) {}
    ~Core() {
        if (shares_root_) vm_.leave();
    }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    Result<void> set_entry(Gpa entry);
    Result<void> set_ept_root(Hpa root);
    Result<void> setup(const SetupConfig& config);
    Result<void> bind();
    void unbind();
    Result<VmExit> run();

    void set_time_slice(std::chrono::nanoseconds slice) { config_.time_slice = slice; }

    Exits& exits() { return exits_; }
    Kick& kick() { return kick_; }
    Vm& vm() { return vm_; }
    Hpa ept_root() const { return ept_root_; }

    // Registers. While an answered exit is in flight, KVM finishes its instruction first.
    Result<uint64_t> gpr(x86::Gpr index);
    Result<void> set_gpr(x86::Gpr index, uint64_t value);
    Result<GuestState> state();
    Result<ExitState> state_at_exit();
    Result<void> set_state(const GuestState& state);
    Result<std::optional<Gpa>> translate(Gva address);

    // As a device's message to the kernel's APIC, else as the PIC's.
    Result<void> inject_interrupt(uint8_t vector);
    void push_interrupt(uint8_t vector) { interrupts_.set(vector); }
    Result<void> push_exception(const Exception& exception);
    Result<void> inject_nmi();
    bool has_events() const { return interrupts_.any() || !exceptions_.empty(); }
    Result<bool> can_take_interrupt();
    void want_interrupt_window(bool wanted) { window_wanted_ = wanted; }
    // With the kernel's APIC: it stands halted; and nothing of its own will wake it.
    Result<bool> stands_halted();
    Result<bool> waits_for_others();

  private:
    Result<void> load_cpuid();
    Result<void> load_entry_state();
    Result<void> load_msr(x86::Msr msr, uint64_t value);
    Result<void> load_debug_registers(uint64_t dr7);

    Result<void> check_apic_use(const SetupConfig& config) const;
    Result<void> set_activity(uint32_t state);
    Result<void> wake();

    Result<void> settle();
    Result<void> refresh_readiness();
    Result<void> make_ready();
    bool window_is_open() { return exits_.run().ready_for_interrupt_injection != 0; }
    Result<bool> enter(bool at_once);
    Result<void> start_slice();
    Result<void> fetch_registers();
    Result<void> flush_registers();
    Result<void> prepare_events();
    Result<bool> inject_next_exception();
    Result<VmExit> leave_early();

    Vm& vm_;
    VCpuId id_;
    Descriptor fd_;
    Mapping shared_;
    SetupConfig config_;
    Exits exits_;
    Kick kick_;
    std::optional<SliceTimer> slice_;

    Gpa entry_;
    Hpa ept_root_;
    bool shares_root_ = false;
    bool shows_apic_ = false;
    bool set_up_ = false;
    bool bound_ = false;

    kvm_regs regs_{};
    kvm_sregs sregs_{};
    bool registers_valid_ = false;
    bool registers_changed_ = false;

    std::bitset<256> interrupts_;
    std::deque<Exception> exceptions_;
    bool window_wanted_ = false;
    bool readiness_stale_ = true;
    bool exit_ready_ = false;  // kvm_run holds an exit that the caller has not seen
};

}  // namespace vtless::kvm
