// SPDX-License-Identifier: MIT
// What a Policy sees of an exit, and what it may answer.
#pragma once

#include <optional>

#include "vcpu/vmx/guest_memory.h"
#include "vcpu/vmx/operand.h"
#include "vcpu/vmx/raw_exit.h"

namespace vtless::vmx {

enum class PolicyAction : uint8_t {
    Pass,     // the built-in handling goes on
    Handled,  // as if a built-in handler had: run() enters again or returns Nothing
    Return,   // run() returns the exit given to return_exit()
};

// One VM exit, before the built-in handling. Only RawVmxExit's fields that are asked for are read.
template <x86::VmxHw Hw>
class ExitContext {
  public:
    ExitContext(Core<Hw>& core, x86::ExitReasonField reason) : core_(core), reason_(reason) {}

    x86::ExitReasonField reason() const { return reason_; }
    uint64_t field(x86::VmcsField field) { return core_.vmcs.read(field); }
    void set_field(x86::VmcsField field, uint64_t value) { core_.vmcs.write(field, value); }
    RawVmxExit raw() { return RawVmxExit::read(core_.vmcs); }
    uint64_t gpr(x86::Gpr index) { return core_.gpr(index); }
    void set_gpr(x86::Gpr index, uint64_t value) { core_.set_gpr(index, value); }
    Hw& hw() { return *core_.hw; }
    VCpuId vcpu_id() const { return core_.vcpu_id; }

    // Past the instruction that exited, with what else its end means (single step, STI shadow).
    void advance_rip() { core_.advance_rip(); }
    void inject_exception(x86::Vector vector, uint32_t error_code = 0) { core_.inject(vector, error_code); }
    void return_exit(const VmExit& exit) { exit_ = exit; }

    // Without return_exit() it is Nothing.
    VmExit returned() const { return exit_ ? *exit_ : VmExit(VmExit::Nothing{}); }

  private:
    Core<Hw>& core_;
    x86::ExitReasonField reason_;
    std::optional<VmExit> exit_;
};

// Passes everything; costs nothing.
struct DefaultPolicy {
    template <class Context>
    constexpr PolicyAction on_exit(Context&) const {
        return PolicyAction::Pass;
    }
};

}  // namespace vtless::vmx
