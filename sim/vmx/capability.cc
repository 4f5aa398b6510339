// SPDX-License-Identifier: MIT
#include "sim/vmx/capability.h"

#include <utility>

#include "sim/vmx/vmcs_layout.h"

namespace vtless::sim::capability {
namespace {

using x86::Msr;

constexpr std::pair<Msr, uint64_t> kMsrs[] = {
    {Msr::IA32_FEATURE_CONTROL, kFeatureControl},
    {Msr::IA32_VMX_BASIC, kBasic},
    {Msr::IA32_VMX_PINBASED_CTLS, kPin.raw},
    {Msr::IA32_VMX_PROCBASED_CTLS, x86::PrimaryCapability::make(x86::kPrimaryDefault1, kPrimaryAllowed1).raw},
    {Msr::IA32_VMX_EXIT_CTLS, x86::ExitCapability::make(x86::kExitDefault1, kExitAllowed1).raw},
    {Msr::IA32_VMX_ENTRY_CTLS, x86::EntryCapability::make(x86::kEntryDefault1, kEntryAllowed1).raw},
    {Msr::IA32_VMX_MISC, kMisc},
    {Msr::IA32_VMX_CR0_FIXED0, kCr0Fixed0},
    {Msr::IA32_VMX_CR0_FIXED1, kCr0Fixed1},
    {Msr::IA32_VMX_CR4_FIXED0, kCr4Fixed0},
    {Msr::IA32_VMX_CR4_FIXED1, kCr4Fixed1},
    {Msr::IA32_VMX_PROCBASED_CTLS2, kSecondary.raw},
    {Msr::IA32_VMX_EPT_VPID_CAP, kEptVpid},
    {Msr::IA32_VMX_TRUE_PINBASED_CTLS, kPin.raw},
    {Msr::IA32_VMX_TRUE_PROCBASED_CTLS, kPrimary.raw},
    {Msr::IA32_VMX_TRUE_EXIT_CTLS, kExit.raw},
    {Msr::IA32_VMX_TRUE_ENTRY_CTLS, kEntry.raw},
};

}  // namespace

std::optional<uint64_t> read(Msr msr) {
    if (msr == Msr::IA32_VMX_VMCS_ENUM) return uint64_t{highest_vmcs_index()} << 1;
    for (const auto& [known, value] : kMsrs) {
        if (known == msr) return value;
    }
    return std::nullopt;
}

}  // namespace vtless::sim::capability
