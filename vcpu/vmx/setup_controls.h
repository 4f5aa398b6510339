// SPDX-License-Identifier: MIT
// The VMX controls, from what is needed, what is welcome and what the capability MSRs allow.
// SDM Vol. 3D "VMX Capability Reporting Facility" (Appendix A).
#pragma once

#include "vcpu/vmx/core.h"

namespace vtless::vmx {

namespace setup_detail {

// Reads an MSR that must exist.
template <class Hw>
Result<uint64_t> read_msr(Hw& hw, x86::Msr msr) {
    uint64_t value = 0;
    const x86::VmxStatus done = hw.rdmsr(msr, value);
    if (!done.ok()) return msr_failed(msr, done);
    return value;
}

// The capability MSR that VM entry goes by: the TRUE one, where the processor has it.
template <class Hw>
Result<uint64_t> read_controls(Hw& hw, x86::Msr with_default1, x86::Msr exact) {
    const auto basic = read_msr(hw, x86::Msr::IA32_VMX_BASIC);
    if (!basic) return basic;
    return read_msr(hw, x86::VmxBasic{*basic}.has(x86::VmxBasic::kTrueControls) ? exact : with_default1);
}

// What set-up asks for in one control word.
struct Wish {
    uint32_t needed = 0;
    uint32_t optional = 0;  // dropped where the processor does not have it
};

template <class C>
Result<C> choose(ControlGroup group, x86::ControlCapability<C> capability, const Wish& wish) {
    const uint32_t lacking = wish.needed & ~capability.allowed1();
    if (lacking != 0) return missing(group, lacking);
    return capability.adjust(C{{wish.needed | (wish.optional & capability.allowed1())}});
}

template <class Hw>
Result<x86::PinControls> choose_pin(Hw& hw, const SetupConfig& config) {
    using P = x86::PinControls;
    const auto capability =
        read_controls(hw, x86::Msr::IA32_VMX_PINBASED_CTLS, x86::Msr::IA32_VMX_TRUE_PINBASED_CTLS);
    if (!capability) return Unexpected(capability.error());
    const uint32_t timer = config.preemption_timer.ticks != 0 ? P::ACTIVATE_VMX_PREEMPTION_TIMER : 0;
    return choose(ControlGroup::Pin, x86::PinCapability{*capability},
                  {P::EXTERNAL_INTERRUPT_EXITING | P::NMI_EXITING | timer, P::VIRTUAL_NMIS});
}

// Interrupt windows must be possible, but the control starts clear.
template <class Hw>
Result<x86::PrimaryControls> choose_primary(Hw& hw, const SetupConfig& config) {
    using P = x86::PrimaryControls;
    const auto raw =
        read_controls(hw, x86::Msr::IA32_VMX_PROCBASED_CTLS, x86::Msr::IA32_VMX_TRUE_PROCBASED_CTLS);
    if (!raw) return Unexpected(raw.error());
    const x86::PrimaryCapability capability{*raw};
    if (!capability.supports(P::INTERRUPT_WINDOW_EXITING))
        return missing(ControlGroup::Primary, P::INTERRUPT_WINDOW_EXITING);
    uint32_t needed = P::USE_IO_BITMAPS | P::USE_MSR_BITMAPS | P::ACTIVATE_SECONDARY_CONTROLS;
    if (config.hlt_exiting) needed |= P::HLT_EXITING;
    if (config.tsc_offset != 0) needed |= P::USE_TSC_OFFSETTING;
    uint32_t optional = P::MWAIT_EXITING | P::MONITOR_EXITING;
    if (config.local_apic != nullptr) optional |= P::CR8_LOAD_EXITING | P::CR8_STORE_EXITING;
    // Where CR3 exiting must be 1 its exits are handled.
    return choose(ControlGroup::Primary, capability, {needed, optional});
}

// What CPUID does not offer, the guest is not given.
template <class Hw>
uint32_t optional_secondary(Hw& hw) {
    using namespace x86::cpuid;
    using S = x86::SecondaryControls;
    uint32_t optional = S::ENABLE_VPID;
    if ((hw.cpuid(kExtendedFeatures, 0).edx & extended_edx::RDTSCP) != 0) optional |= S::ENABLE_RDTSCP;
    if ((hw.cpuid(kStructuredFeatures, 0).ebx & leaf7_ebx::INVPCID) != 0) optional |= S::ENABLE_INVPCID;
    if ((hw.cpuid(kXsave, 1).eax & leaf_d1_eax::XSAVES) != 0) optional |= S::ENABLE_XSAVES_XRSTORS;
    return optional;
}

template <class Hw>
Result<x86::SecondaryControls> choose_secondary(Hw& hw, const SetupConfig& config) {
    using S = x86::SecondaryControls;
    const auto raw = read_msr(hw, x86::Msr::IA32_VMX_PROCBASED_CTLS2);
    if (!raw) return Unexpected(raw.error());
    const uint32_t apic = config.apic_access_page ? S::VIRTUALIZE_APIC_ACCESSES : 0;
    // A guest that begins with paging can do without, if it keeps paging on.
    constexpr uint64_t kPaged = x86::cr0::PE | x86::cr0::PG;
    const bool starts_paged = (config.entry_state.cr0 & kPaged) == kPaged;
    const uint32_t unrestricted = starts_paged ? 0 : S::UNRESTRICTED_GUEST;
    return choose(ControlGroup::Secondary, x86::SecondaryCapability{*raw},
                  {S::ENABLE_EPT | unrestricted | apic, S::UNRESTRICTED_GUEST | optional_secondary(hw)});
}

template <class Hw>
Result<x86::ExitControls> choose_exit(Hw& hw, const SetupConfig& config) {
    using E = x86::ExitControls;
    const auto raw = read_controls(hw, x86::Msr::IA32_VMX_EXIT_CTLS, x86::Msr::IA32_VMX_TRUE_EXIT_CTLS);
    if (!raw) return Unexpected(raw.error());
    uint32_t optional = E::SAVE_IA32_PAT | E::LOAD_IA32_PAT | E::SAVE_DEBUG_CONTROLS;
    if (config.preemption_timer.ticks != 0) optional |= E::SAVE_VMX_PREEMPTION_TIMER_VALUE;
    return choose(ControlGroup::Exit, x86::ExitCapability{*raw},
                  {E::HOST_ADDRESS_SPACE_SIZE | E::ACKNOWLEDGE_INTERRUPT_ON_EXIT | E::SAVE_IA32_EFER |
                       E::LOAD_IA32_EFER,
                   optional});
}

template <class Hw>
Result<x86::EntryControls> choose_entry(Hw& hw, const SetupConfig& config) {
    using E = x86::EntryControls;
    const auto raw = read_controls(hw, x86::Msr::IA32_VMX_ENTRY_CTLS, x86::Msr::IA32_VMX_TRUE_ENTRY_CTLS);
    if (!raw) return Unexpected(raw.error());
    const uint32_t long_mode = (config.entry_state.efer & x86::efer::LMA) != 0 ? E::IA32E_MODE_GUEST : 0;
    return choose(ControlGroup::Entry, x86::EntryCapability{*raw},
                  {E::LOAD_IA32_EFER | long_mode, E::LOAD_IA32_PAT | E::LOAD_DEBUG_CONTROLS});
}

}  // namespace setup_detail

// Whether IA32_PAT is switched by VM entry and exit: all three controls, or the guest's would leak.
inline bool switches_pat(const Controls& controls) {
    using E = x86::ExitControls;
    return controls.exit.has(E::SAVE_IA32_PAT | E::LOAD_IA32_PAT) &&
           controls.entry.has(x86::EntryControls::LOAD_IA32_PAT);
}

// Fills core.controls. Unsupported names the first control that is missing.
template <class Hw>
Result<void> choose_controls(Core<Hw>& core) {
    using namespace setup_detail;
    const auto pin = choose_pin(*core.hw, core.config);
    if (!pin) return Unexpected(pin.error());
    const auto primary = choose_primary(*core.hw, core.config);
    if (!primary) return Unexpected(primary.error());
    const auto secondary = choose_secondary(*core.hw, core.config);
    if (!secondary) return Unexpected(secondary.error());
    const auto exit = choose_exit(*core.hw, core.config);
    if (!exit) return Unexpected(exit.error());
    const auto entry = choose_entry(*core.hw, core.config);
    if (!entry) return Unexpected(entry.error());
    core.controls = {*pin, *primary, *secondary, *exit, *entry};
    return {};
}

}  // namespace vtless::vmx
