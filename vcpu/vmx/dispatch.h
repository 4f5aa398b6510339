// SPDX-License-Identifier: MIT
// From exit reason to handler.
#pragma once

#include "vcpu/vmx/exit_cpuid.h"
#include "vcpu/vmx/exit_cr.h"
#include "vcpu/vmx/exit_exception.h"
#include "vcpu/vmx/exit_io.h"
#include "vcpu/vmx/exit_msr.h"

namespace vtless::vmx {

namespace dispatch_detail {

template <class Hw>
Result<VmExit> handle_hypercall(Core<Hw>& core) {
    using x86::Gpr;
    core.advance_rip();
    const auto arg = [&core](Gpr index) { return core.gprs.get(index); };
    return VmExit::Hypercall{
        arg(Gpr::RAX),
        {arg(Gpr::RDI), arg(Gpr::RSI), arg(Gpr::RDX), arg(Gpr::RCX), arg(Gpr::R8), arg(Gpr::R9)}};
}

template <class Hw>
Result<VmExit> handle_external_interrupt(Core<Hw>& core) {
    const x86::EventInfo info{core.vmcs.read32(x86::VmcsField::VM_EXIT_INTERRUPTION_INFORMATION)};
    return VmExit::ExternalInterrupt{info.vector()};
}

template <class Hw>
Result<VmExit> handle_preemption_timer(Core<Hw>& core) {
    const PreemptionTimer& timer = core.config.preemption_timer;
    core.vmcs.write(x86::VmcsField::VMX_PREEMPTION_TIMER_VALUE, timer.ticks);
    if (timer.report) return VmExit::PreemptionTimer{};
    return VmExit::Nothing{};
}

template <class Hw>
Result<VmExit> handle_hlt(Core<Hw>& core) {
    core.advance_rip();
    return VmExit::Halt{};
}

// Caches are coherent and nothing is lost by keeping them.
template <class Hw>
Result<VmExit> skip(Core<Hw>& core) {
    core.advance_rip();
    return VmExit::Nothing{};
}

// Instructions of features that the guest is not offered.
template <class Hw>
Result<VmExit> undefined_opcode(Core<Hw>& core) {
    core.inject(x86::Vector::UD);
    return VmExit::Nothing{};
}

template <class Hw>
[[gnu::cold, gnu::noinline]] Result<VmExit> unhandled(Core<Hw>& core, x86::ExitReasonField reason) {
    if (may_interrupt_delivery(reason.basic()))
        if (const auto interrupted = interrupted_event(core)) requeue_interrupted(core, *interrupted);
    return VmExit::Unhandled{reason.raw, core.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION)};
}

}  // namespace dispatch_detail

// What is not handled is Unhandled, with the whole exit-reason field: a triple fault, INIT, a task switch,
// every reason that is not listed or not known.
template <class Hw>
Result<VmExit> dispatch(Core<Hw>& core, x86::ExitReasonField reason) {
    using R = x86::ExitReason;
    using namespace dispatch_detail;
    switch (reason.basic()) {
        case R::CPUID:
            return handle_cpuid(core);
        case R::EXCEPTION_OR_NMI:
            return handle_exception(core);
        case R::EXTERNAL_INTERRUPT:
            return handle_external_interrupt(core);
        case R::INTERRUPT_WINDOW:  // the next entry injects, and closes or keeps the window
        case R::NMI_WINDOW:
            return VmExit::Nothing{};
        case R::HLT:
            return handle_hlt(core);
        case R::VMCALL:
            return handle_hypercall(core);
        case R::CONTROL_REGISTER_ACCESS:
            return handle_cr_access(core);
        case R::IO_INSTRUCTION:
            return handle_io(core);
        case R::RDMSR:
            return handle_rdmsr(core);
        case R::WRMSR:
            return handle_wrmsr(core);
        case R::APIC_ACCESS:
            return handle_apic_access(core);
        case R::EPT_VIOLATION:
            return handle_ept_violation(core);
        case R::EPT_MISCONFIGURATION:
            return handle_ept_misconfiguration(core);
        case R::PREEMPTION_TIMER:
            return handle_preemption_timer(core);
        case R::XSETBV:
            return handle_xsetbv(core);
        case R::INVD:
        case R::WBINVD:
            return skip(core);
        case R::GETSEC:
        case R::VMCLEAR:
        case R::VMLAUNCH:
        case R::VMPTRLD:
        case R::VMPTRST:
        case R::VMREAD:
        case R::VMRESUME:
        case R::VMWRITE:
        case R::VMXOFF:
        case R::VMXON:
        case R::INVEPT:
        case R::INVVPID:
        case R::VMFUNC:
        case R::MWAIT:
        case R::MONITOR:
            return undefined_opcode(core);
        default:
            return unhandled(core, reason);
    }
}

}  // namespace vtless::vmx
