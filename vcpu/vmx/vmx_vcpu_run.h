// SPDX-License-Identifier: MIT
// VmxVCpu's run path. Included by vmx_vcpu.h.
#pragma once

#include "vcpu/vmx/vmx_vcpu.h"

namespace vtless::vmx {

// One VM entry and what came of it. Results are built where the caller wants them: each function returns what
// the next one makes.
template <x86::VmxHw Hw, class Policy>
inline Result<VmExit> VmxVCpu<Hw, Policy>::step() {
    if (!core_.loaded) [[unlikely]]
        return refuse_unbound();
    if (core_.pending.kind == Pending::Kind::MmioWrite) [[unlikely]]
        return finish_mmio(core_);
    core_.pending.kind = Pending::Kind::None;
    choose_event();
    const bool exchange = !shares_xstate(core_);
    if (exchange) [[unlikely]] {
        if (const auto loaded = load_guest_xstate(core_); !loaded) return Unexpected(loaded.error());
    }
    const x86::VmxStatus status =
        core_.launched ? core_.hw->vmresume(core_.gprs) : core_.hw->vmlaunch(core_.gprs);
    if (exchange) [[unlikely]] {
        if (const auto restored = load_host_xstate(core_); !restored) return Unexpected(restored.error());
    }
    if (!status.ok()) [[unlikely]]
        return entry_failed(status);
    const x86::ExitReasonField reason{core_.vmcs.read32(x86::VmcsField::EXIT_REASON)};
    if (reason.entry_failure()) [[unlikely]]
        return entry_failed(reason);
    core_.launched = true;
    return decide(reason);
}

template <x86::VmxHw Hw, class Policy>
Result<VmExit> VmxVCpu<Hw, Policy>::decide(x86::ExitReasonField reason) {
    ExitContext<Hw> context(core_, reason);
    switch (policy_.on_exit(context)) {
        case PolicyAction::Handled:
            return VmExit::Nothing{};
        case PolicyAction::Return:
            return context.returned();
        case PolicyAction::Pass:
            break;
    }
    return dispatch(core_, reason);
}

// VMLAUNCH or VMRESUME did not begin. A fault means that the processor is not in VMX operation.
template <x86::VmxHw Hw, class Policy>
[[gnu::cold]] Result<VmExit> VmxVCpu<Hw, Policy>::entry_failed(x86::VmxStatus status) {
    if (status.kind() == x86::VmxStatus::Kind::Fault) return instruction_failed(Instruction::ENTRY, status);
    if (status.kind() == x86::VmxStatus::Kind::FailInvalid) {  // no VMCS is current
        if (core_.injected.info.valid()) core_.events.push_interrupted(core_.injected);
        return VmExit::FailEntry{EntryFailure::kVmFailInvalid};
    }
    withdraw_injection(core_);
    return VmExit::FailEntry{static_cast<uint64_t>(status.error()), x86::entry_explanation(*core_.hw)};
}

// It began and was given up: the launch state did not change.
template <x86::VmxHw Hw, class Policy>
[[gnu::cold]] Result<VmExit> VmxVCpu<Hw, Policy>::entry_failed(x86::ExitReasonField reason) {
    withdraw_injection(core_);
    const uint64_t qualification = core_.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION);
    return VmExit::FailEntry{EntryFailure::from_exit(reason, qualification).raw,
                             x86::entry_explanation(*core_.hw)};
}

template <x86::VmxHw Hw, class Policy>
[[gnu::cold, gnu::noinline]] Result<VmExit> VmxVCpu<Hw, Policy>::take_failure() {
    if (const auto access = core_.vmcs.take_failure(); !access) return Unexpected(access.error());
    const x86::VmxStatus flush = core_.flush_failure;
    core_.flush_failure = x86::VmxStatus::succeed();
    return instruction_failed(Instruction::INVVPID, flush);
}

}  // namespace vtless::vmx
