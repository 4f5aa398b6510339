// SPDX-License-Identifier: MIT
// XCR0 and IA32_XSS of guest and host. SDM Vol. 1 "Enabling the XSAVE Feature Set" (13.3),
// Vol. 2D "XSETBV—Set Extended Control Register".
#pragma once

#include "vcpu/vmx/core.h"

namespace vtless::vmx {

// Whether XSETBV accepts the value on a processor that supports these components.
constexpr bool is_valid_xcr0(uint64_t value, uint64_t supported) {
    using namespace x86::xcr0;
    const auto all_or_none = [value](uint64_t bits) { return (value & bits) == 0 || (value & bits) == bits; };
    if ((value & ~supported) != 0 || (value & X87) == 0) return false;
    if ((value & AVX) != 0 && (value & SSE) == 0) return false;
    if ((value & OPMASK) != 0 && (value & AVX) == 0) return false;
    return all_or_none(BNDREG | BNDCSR) && all_or_none(OPMASK | ZMM_HI256 | HI16_ZMM) &&
           all_or_none(TILECFG | TILEDATA);
}

// While guest and host agree there is nothing to load around a VM entry.
template <class Hw>
bool shares_xstate(const Core<Hw>& core) {
    return core.guest_xcr0 == core.host_xcr0 && core.guest_xss == core.host_xss;
}

template <class Hw>
Result<void> load_guest_xstate(Core<Hw>& core) {
    if (core.guest_xcr0 != core.host_xcr0) {
        const auto done = check(Instruction::XSETBV, core.hw->xsetbv(0, core.guest_xcr0));
        if (!done) return done;
    }
    if (core.guest_xss != core.host_xss) {
        const x86::VmxStatus done = core.hw->wrmsr(x86::Msr::IA32_XSS, core.guest_xss);
        if (!done.ok()) return msr_failed(x86::Msr::IA32_XSS, done);
    }
    return {};
}
template <class Hw>
Result<void> load_host_xstate(Core<Hw>& core) {
    if (core.guest_xcr0 != core.host_xcr0) {
        const auto done = check(Instruction::XSETBV, core.hw->xsetbv(0, core.host_xcr0));
        if (!done) return done;
    }
    if (core.guest_xss != core.host_xss) {
        const x86::VmxStatus done = core.hw->wrmsr(x86::Msr::IA32_XSS, core.host_xss);
        if (!done.ok()) return msr_failed(x86::Msr::IA32_XSS, done);
    }
    return {};
}

// On bind: what the host has now. A host without XSAVE, or with CR4.OSXSAVE clear, leaves both alone.
template <class Hw>
void read_host_xstate(Core<Hw>& core) {
    uint64_t value = 0;
    if (!core.hw->xgetbv(0, value).ok()) {
        core.features.xcr0_supported = 0;
        core.guest_xcr0 = core.host_xcr0;
        return;
    }
    core.host_xcr0 = value;
    if (core.features.xss_supported != 0 && core.hw->rdmsr(x86::Msr::IA32_XSS, value).ok())
        core.host_xss = value;
}

template <class Hw>
Result<VmExit> handle_xsetbv(Core<Hw>& core) {
    const bool enabled = (core.vmcs.read(x86::VmcsField::GUEST_CR4) & x86::cr4::OSXSAVE) != 0;
    const auto index = static_cast<uint32_t>(core.gprs.get(x86::Gpr::RCX));
    const uint64_t value = core.edx_eax();
    if (!enabled || core.features.xcr0_supported == 0) {
        core.inject(x86::Vector::UD);
    } else if (index != 0 || !is_valid_xcr0(value, core.features.xcr0_supported)) {
        core.inject(x86::Vector::GP);
    } else {
        core.guest_xcr0 = value;
        core.advance_rip();
    }
    return VmExit::Nothing{};
}

}  // namespace vtless::vmx
