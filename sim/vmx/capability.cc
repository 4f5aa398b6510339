// SPDX-License-Identifier: MIT
#include "sim/vmx/capability.h"

#include "sim/vmx/vmcs_layout.h"

namespace vtless::sim {
namespace {

using x86::Msr;

// Without TRUE capabilities the default1 bits must be 1. SDM Vol. 3D A.2.
template <class Capability>
constexpr uint64_t with_default1(Capability capability, uint32_t default1) {
    return Capability::make(capability.allowed0() | default1, capability.allowed1() | default1).raw;
}

// Those that are there exactly when some bit of another says so.
std::optional<uint64_t> read_conditional(const VmxCapabilities& c, Msr msr) {
    const bool true_controls = c.basic.has(x86::VmxBasic::kTrueControls);
    const auto if_true = [&](uint64_t value) { return true_controls ? std::optional(value) : std::nullopt; };
    switch (msr) {
        case Msr::IA32_VMX_TRUE_PINBASED_CTLS:
            return if_true(c.pin.raw);
        case Msr::IA32_VMX_TRUE_PROCBASED_CTLS:
            return if_true(c.primary.raw);
        case Msr::IA32_VMX_TRUE_EXIT_CTLS:
            return if_true(c.exit.raw);
        case Msr::IA32_VMX_TRUE_ENTRY_CTLS:
            return if_true(c.entry.raw);
        case Msr::IA32_VMX_PROCBASED_CTLS2:
            if (!c.primary.supports(x86::PrimaryControls::ACTIVATE_SECONDARY_CONTROLS)) return std::nullopt;
            return c.secondary.raw;
        case Msr::IA32_VMX_EPT_VPID_CAP:
            if ((c.secondary.allowed1() &
                 (x86::SecondaryControls::ENABLE_EPT | x86::SecondaryControls::ENABLE_VPID)) == 0)
                return std::nullopt;
            return c.ept_vpid.raw;
        case Msr::IA32_VMX_VMFUNC:
            if (!c.secondary.supports(x86::SecondaryControls::ENABLE_VM_FUNCTIONS)) return std::nullopt;
            return c.vmfunc;
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<uint64_t> VmxCapabilities::read(Msr msr) const {
    switch (msr) {
        case Msr::IA32_FEATURE_CONTROL:
            return capability::kFeatureControl;
        case Msr::IA32_VMX_BASIC:
            return basic.raw;
        case Msr::IA32_VMX_PINBASED_CTLS:
            return with_default1(pin, x86::kPinDefault1);
        case Msr::IA32_VMX_PROCBASED_CTLS:
            return with_default1(primary, x86::kPrimaryDefault1);
        case Msr::IA32_VMX_EXIT_CTLS:
            return with_default1(exit, x86::kExitDefault1);
        case Msr::IA32_VMX_ENTRY_CTLS:
            return with_default1(entry, x86::kEntryDefault1);
        case Msr::IA32_VMX_MISC:
            return misc.raw;
        case Msr::IA32_VMX_CR0_FIXED0:
            return cr0_fixed0;
        case Msr::IA32_VMX_CR0_FIXED1:
            return cr0_fixed1;
        case Msr::IA32_VMX_CR4_FIXED0:
            return cr4_fixed0;
        case Msr::IA32_VMX_CR4_FIXED1:
            return cr4_fixed1;
        case Msr::IA32_VMX_VMCS_ENUM:
            return uint64_t{highest_vmcs_index()} << 1;
        default:
            return read_conditional(*this, msr);
    }
}

}  // namespace vtless::sim
