// SPDX-License-Identifier: MIT
// The exit that kvm_run holds: what it is, in which parts the caller sees it, and its completion.
#pragma once

#include <linux/kvm.h>

#include <optional>

#include "isa/entry_explanation.h"
#include "vcpu/exit.h"
#include "vcpu/kvm/config.h"

namespace vtless::kvm {

// hardware_entry_failure_reason of an internal error of KVM: this bit, and KVM's suberror.
inline constexpr uint64_t kInternalError = uint64_t{1} << 63;
// ExternalInterrupt's vector for request_exit() and any other signal, as the simulated processor has it.
inline constexpr uint8_t kRequestVector = 0xff;

// Its address stays: FailEntry's explanation lies here.
class Exits {
  public:
    // config must stay where it is.
    Exits(uint8_t* shared, size_t bytes, const SetupConfig& config)
        : shared_(shared), bytes_(bytes), config_(config) {}

    kvm_run& run() { return *reinterpret_cast<kvm_run*>(shared_); }

    // After a KVM_RUN that returned 0.
    VmExit take();
    // What is left of the same exit: string I/O, MMIO of a width that is none of ours.
    std::optional<VmExit> next_part();

    // A read that has not been answered; KVM would go on with whatever is in its buffer.
    bool waits() const { return waits_; }
    // The caller may still refuse a WRMSR: KVM has not carried it out.
    bool can_be_refused() const { return in_flight_ && kind_ == ExitKind::SysRegWrite; }
    // KVM finishes an instruction first thing in the next KVM_RUN.
    bool in_flight() const { return in_flight_; }
    bool has_more_parts();
    bool can_go_on() const { return can_go_on_; }
    ExitKind kind() const { return kind_; }
    bool awaits_single_port_read();
    // That KVM_RUN has been.
    void finished() { in_flight_ = false; }

    Result<void> complete_io_read(uint64_t value);
    Result<void> complete_mmio_read(uint64_t value);
    Result<void> complete_sysreg_read(uint64_t value);
    Result<void> fail_sysreg_access();
    bool complete_hypercall(uint64_t value);

  private:
    VmExit decode();
    VmExit io_part();
    VmExit mmio_part();
    VmExit unhandled();
    VmExit fail_entry(uint64_t reason, const EntryExplanation& why);
    VmExit internal_error();
    VmExit final(VmExit exit) {
        can_go_on_ = false;
        return exit;
    }
    // Bytes of the part that is under way.
    unsigned mmio_width();

    uint8_t* shared_;
    size_t bytes_;
    const SetupConfig& config_;
    EntryExplanation explanation_;
    ExitKind kind_ = ExitKind::Nothing;
    uint32_t done_ = 0;  // elements, or bytes, that the caller has seen
    bool waits_ = false;
    bool in_flight_ = false;
    bool can_go_on_ = true;
};

}  // namespace vtless::kvm
