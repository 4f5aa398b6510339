// SPDX-License-Identifier: MIT
// What a processor's VMX can do, as its capability MSRs say: only what works is advertised.
// SDM Vol. 3D "VMX Capability Reporting Facility" (Appendix A).
#pragma once

#include <cstdint>
#include <optional>

#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/msr.h"
#include "isa/x86/vmx_capability.h"
#include "sim/cpu/features.h"
#include "sim/vmx/engine_cpuid.h"

namespace vtless::sim {

// The capabilities of one processor, of which all parts of it hold a reference.
struct VmxCapabilities {
    // The control words as VM entry checks them: by the TRUE capability MSRs where those exist.
    // SDM Vol. 3C 27.2.1.1.
    x86::PinCapability pin;
    x86::PrimaryCapability primary;
    x86::SecondaryCapability secondary;
    x86::ExitCapability exit;
    x86::EntryCapability entry;
    x86::VmxBasic basic;
    x86::VmxMisc misc;
    x86::EptVpidCapability ept_vpid;
    uint64_t vmfunc = 0;  // IA32_VMX_VMFUNC
    uint64_t cr0_fixed0 = 0;
    uint64_t cr0_fixed1 = 0;
    uint64_t cr4_fixed0 = 0;
    uint64_t cr4_fixed1 = 0;
    unsigned physical_bits = 0;
    unsigned linear_bits = 0;
    // What the guest's own instructions may set: CR4.VMXE is always set in non-root operation.
    CpuFeatures guest_features{};
    CpuidFeatures cpuid{};

    // The value of a capability MSR or IA32_FEATURE_CONTROL; nothing for any other MSR, or one that this
    // processor lacks.
    std::optional<uint64_t> read(x86::Msr msr) const;

    constexpr bool fits_physical_width(uint64_t address) const { return (address >> physical_bits) == 0; }
    constexpr bool cr0_allowed(uint64_t value, uint64_t not_checked = 0) const {
        return x86::meets_fixed_bits(value, cr0_fixed0 & ~not_checked, cr0_fixed1);
    }
    constexpr bool cr4_allowed(uint64_t value) const {
        return x86::meets_fixed_bits(value, cr4_fixed0, cr4_fixed1);
    }
};

// What the engine can do, and with that the most that any processor advertises.
namespace capability {

inline constexpr uint32_t kRevision = 0x12;
inline constexpr unsigned kPhysicalBits = 40;
inline constexpr unsigned kMaxPhysicalBits = 52;  // what the paging structures have room for
inline constexpr unsigned kLinearBits = 48;
inline constexpr unsigned kPreemptionTimerShift = 5;
inline constexpr unsigned kCr3Targets = 4;
inline constexpr unsigned kMsrListMax = 512;

inline constexpr uint64_t kBasic =
    kRevision | uint64_t{4096} << 32 | static_cast<uint64_t>(x86::MemoryType::WB) << 50 |
    x86::VmxBasic::kInsOutsInformation | x86::VmxBasic::kTrueControls | x86::VmxBasic::kErrorCodeOptional;

inline constexpr uint32_t kPinAllowed1 = x86::kPinDefault1 | x86::PinControls::EXTERNAL_INTERRUPT_EXITING |
                                         x86::PinControls::NMI_EXITING | x86::PinControls::VIRTUAL_NMIS |
                                         x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER |
                                         x86::PinControls::PROCESS_POSTED_INTERRUPTS;

inline constexpr uint32_t kPrimaryAllowed1 = [] {
    using P = x86::PrimaryControls;
    return x86::kPrimaryDefault1 | P::INTERRUPT_WINDOW_EXITING | P::USE_TSC_OFFSETTING | P::HLT_EXITING |
           P::INVLPG_EXITING | P::MWAIT_EXITING | P::RDPMC_EXITING | P::RDTSC_EXITING | P::CR3_LOAD_EXITING |
           P::CR3_STORE_EXITING | P::CR8_LOAD_EXITING | P::CR8_STORE_EXITING | P::USE_TPR_SHADOW |
           P::NMI_WINDOW_EXITING | P::MOV_DR_EXITING | P::UNCONDITIONAL_IO_EXITING | P::USE_IO_BITMAPS |
           P::USE_MSR_BITMAPS | P::MONITOR_EXITING | P::PAUSE_EXITING | P::MONITOR_TRAP_FLAG |
           P::ACTIVATE_SECONDARY_CONTROLS;
}();

inline constexpr uint32_t kSecondaryAllowed1 = [] {
    using S = x86::SecondaryControls;
    return S::VIRTUALIZE_APIC_ACCESSES | S::VIRTUALIZE_X2APIC_MODE | S::APIC_REGISTER_VIRTUALIZATION |
           S::VIRTUAL_INTERRUPT_DELIVERY | S::ENABLE_EPT | S::DESCRIPTOR_TABLE_EXITING | S::ENABLE_RDTSCP |
           S::ENABLE_VPID | S::WBINVD_EXITING | S::UNRESTRICTED_GUEST | S::PAUSE_LOOP_EXITING |
           S::RDRAND_EXITING | S::ENABLE_VM_FUNCTIONS | S::VMCS_SHADOWING | S::RDSEED_EXITING |
           S::ENABLE_PML | S::EPT_VIOLATION_VE | S::MODE_BASED_EXECUTE_CONTROL_FOR_EPT | S::USE_TSC_SCALING;
}();

inline constexpr uint32_t kExitAllowed1 = [] {
    using E = x86::ExitControls;
    return x86::kExitDefault1 | E::HOST_ADDRESS_SPACE_SIZE | E::ACKNOWLEDGE_INTERRUPT_ON_EXIT |
           E::SAVE_IA32_PAT | E::LOAD_IA32_PAT | E::SAVE_IA32_EFER | E::LOAD_IA32_EFER |
           E::SAVE_VMX_PREEMPTION_TIMER_VALUE;
}();

inline constexpr uint32_t kEntryAllowed1 = [] {
    using E = x86::EntryControls;
    return x86::kEntryDefault1 | E::IA32E_MODE_GUEST | E::LOAD_IA32_PAT | E::LOAD_IA32_EFER;
}();

// With the TRUE capability MSRs these default1 bits may be 0. SDM Vol. 3D A.2.
inline constexpr uint32_t kPrimaryTrueAllowed0 =
    x86::kPrimaryDefault1 &
    ~(x86::PrimaryControls::CR3_LOAD_EXITING | x86::PrimaryControls::CR3_STORE_EXITING);
inline constexpr uint32_t kExitTrueAllowed0 = x86::kExitDefault1 & ~x86::ExitControls::SAVE_DEBUG_CONTROLS;
inline constexpr uint32_t kEntryTrueAllowed0 = x86::kEntryDefault1 & ~x86::EntryControls::LOAD_DEBUG_CONTROLS;

// What VM entry checks against. SDM Vol. 3C 27.2.1.1: the TRUE capabilities decide.
inline constexpr auto kPin = x86::PinCapability::make(x86::kPinDefault1, kPinAllowed1);
inline constexpr auto kPrimary = x86::PrimaryCapability::make(kPrimaryTrueAllowed0, kPrimaryAllowed1);
inline constexpr auto kSecondary = x86::SecondaryCapability::make(0, kSecondaryAllowed1);
inline constexpr auto kExit = x86::ExitCapability::make(kExitTrueAllowed0, kExitAllowed1);
inline constexpr auto kEntry = x86::EntryCapability::make(kEntryTrueAllowed0, kEntryAllowed1);

inline constexpr uint64_t kMisc = kPreemptionTimerShift | x86::VmxMisc::kStoresLmaToEntryControls |
                                  x86::VmxMisc::kActivityHlt | x86::VmxMisc::kActivityShutdown |
                                  x86::VmxMisc::kActivityWaitForSipi | uint64_t{kCr3Targets} << 16 |
                                  x86::VmxMisc::kVmwriteAnyField | x86::VmxMisc::kZeroLengthInjection;

inline constexpr uint64_t kCr0Fixed0 = x86::cr0::PE | x86::cr0::NE | x86::cr0::PG;
inline constexpr uint64_t kCr0Fixed1 = 0xffffffff;
inline constexpr uint64_t kCr4Fixed0 = x86::cr4::VMXE;
inline constexpr uint64_t kCr4Fixed1 = CpuFeatures{}.cr4 | x86::cr4::VMXE;

inline constexpr uint64_t kEptVpid = [] {
    using C = x86::EptVpidCapability;
    return C::kExecuteOnly | C::kWalkLength4 | C::kWalkLength5 | C::kUncacheable | C::kWriteBack |
           C::kPage2M | C::kPage1G | C::kInvept | C::kAccessedDirty | C::kAdvancedExitInformation |
           C::kInveptSingleContext | C::kInveptAllContext | C::kInvvpid | C::kInvvpidIndividualAddress |
           C::kInvvpidSingleContext | C::kInvvpidAllContext | C::kInvvpidRetainingGlobals;
}();

inline constexpr uint64_t kVmfunc = bit(0);  // EPTP switching

inline constexpr uint64_t kFeatureControl =
    x86::feature_control::LOCK | x86::feature_control::VMX_OUTSIDE_SMX;

}  // namespace capability

// Everything that the engine can do, and so what a processor has by default.
inline constexpr VmxCapabilities kEngineCapabilities = [] {
    namespace can = capability;
    VmxCapabilities all;
    all.pin = can::kPin;
    all.primary = can::kPrimary;
    all.secondary = can::kSecondary;
    all.exit = can::kExit;
    all.entry = can::kEntry;
    all.basic = {can::kBasic};
    all.misc = {can::kMisc};
    all.ept_vpid = {can::kEptVpid};
    all.vmfunc = can::kVmfunc;
    all.cr0_fixed0 = can::kCr0Fixed0;
    all.cr0_fixed1 = can::kCr0Fixed1;
    all.cr4_fixed0 = can::kCr4Fixed0;
    all.cr4_fixed1 = can::kCr4Fixed1;
    all.physical_bits = can::kPhysicalBits;
    all.linear_bits = can::kLinearBits;
    all.guest_features.cr4 = can::kCr4Fixed1;
    all.cpuid = kEngineCpuid;
    return all;
}();

}  // namespace vtless::sim
