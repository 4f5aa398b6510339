// SPDX-License-Identifier: MIT
// RDMSR and WRMSR.
#pragma once

#include "vcpu/vmx/control_regs.h"

namespace vtless::vmx {

namespace msr_detail {

enum class Outcome : uint8_t { Done, Fault, ForEmbedder };

template <class Hw>
bool is_local_apic(const Core<Hw>& core, x86::Msr msr) {
    return core.config.local_apic != nullptr && x86::is_x2apic(msr);
}
constexpr uint32_t apic_offset(x86::Msr msr) { return (static_cast<uint32_t>(msr) - x86::kX2ApicFirst) << 4; }

template <class Hw>
Outcome read(Core<Hw>& core, x86::Msr msr, uint64_t& value) {
    if (is_local_apic(core, msr))
        return core.config.local_apic->read(apic_offset(msr), value) ? Outcome::Done : Outcome::Fault;
    if (msr == x86::Msr::IA32_EFER) return value = core.efer(), Outcome::Done;
    if (msr == x86::Msr::IA32_XSS && core.features.xss_supported != 0)
        return value = core.guest_xss, Outcome::Done;
    return Outcome::ForEmbedder;
}

template <class Hw>
Outcome write(Core<Hw>& core, x86::Msr msr, uint64_t value) {
    const auto done_or_fault = [](bool done) { return done ? Outcome::Done : Outcome::Fault; };
    if (is_local_apic(core, msr))
        return done_or_fault(core.config.local_apic->write(apic_offset(msr), value));
    if (msr == x86::Msr::IA32_EFER) return done_or_fault(write_guest_efer(core, value));
    if (msr == x86::Msr::IA32_XSS && core.features.xss_supported != 0) {
        if ((value & ~core.features.xss_supported) != 0) return Outcome::Fault;
        core.guest_xss = value;
        return Outcome::Done;
    }
    return Outcome::ForEmbedder;
}

// Ends the instruction here; false: it is the embedder's.
template <class Hw>
bool settle(Core<Hw>& core, Outcome outcome) {
    if (outcome == Outcome::Done) core.advance_rip();
    if (outcome == Outcome::Fault) core.inject(x86::Vector::GP);
    return outcome != Outcome::ForEmbedder;
}

// RIP is past the instruction when the exit is returned; fail_sysreg takes it back.
template <class Hw>
void await_embedder(Core<Hw>& core, bool write) {
    core.pending = {Pending::Kind::SysReg, 8, write, core.vmcs.read(x86::VmcsField::GUEST_RIP), Gpa(), 0, {}};
    core.advance_rip();
}

}  // namespace msr_detail

template <class Hw>
Result<VmExit> handle_rdmsr(Core<Hw>& core) {
    const auto msr = static_cast<x86::Msr>(core.gprs.get(x86::Gpr::RCX));
    uint64_t value = 0;
    const auto outcome = msr_detail::read(core, msr, value);
    if (outcome == msr_detail::Outcome::Done) core.set_edx_eax(value);
    if (msr_detail::settle(core, outcome)) return VmExit::Nothing{};
    msr_detail::await_embedder(core, false);
    return VmExit::SysRegRead{static_cast<uint32_t>(msr), 0};
}

template <class Hw>
Result<VmExit> handle_wrmsr(Core<Hw>& core) {
    const auto msr = static_cast<x86::Msr>(core.gprs.get(x86::Gpr::RCX));
    const uint64_t value = core.edx_eax();
    if (msr_detail::settle(core, msr_detail::write(core, msr, value))) return VmExit::Nothing{};
    msr_detail::await_embedder(core, true);
    return VmExit::SysRegWrite{static_cast<uint32_t>(msr), value};
}

template <class Hw>
Result<void> complete_sysreg(Core<Hw>& core, uint64_t value) {
    if (core.pending.kind != Pending::Kind::SysReg || core.pending.write)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    core.pending.kind = Pending::Kind::None;
    core.set_edx_eax(value);
    return {};
}

// #GP(0) at the RDMSR or WRMSR.
template <class Hw>
Result<void> fail_sysreg(Core<Hw>& core) {
    using x86::VmcsField;
    if (core.pending.kind != Pending::Kind::SysReg)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    core.pending.kind = Pending::Kind::None;
    core.vmcs.write(VmcsField::GUEST_RIP, core.pending.instruction_rip);
    const uint64_t debug = core.vmcs.read(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS);
    if ((debug & x86::pending_debug::BS) != 0)
        core.vmcs.write(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS, debug & ~x86::pending_debug::BS);
    core.inject(x86::Vector::GP);
    return {};
}

}  // namespace vtless::vmx
