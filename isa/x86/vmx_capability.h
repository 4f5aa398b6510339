// SPDX-License-Identifier: MIT
// VMX capability MSRs as values. SDM Vol. 3D "VMX Capability Reporting Facility" (Appendix A).
#pragma once

#include <cstdint>

#include "isa/bits.h"
#include "isa/x86/msr.h"
#include "isa/x86/vmx_controls.h"

namespace vtless::x86 {

// IA32_VMX_BASIC.
struct VmxBasic {
    uint64_t raw = 0;

    static constexpr uint64_t kAddresses32 = bit(48);
    static constexpr uint64_t kDualMonitor = bit(49);
    static constexpr uint64_t kInsOutsInformation = bit(54);
    static constexpr uint64_t kTrueControls = bit(55);
    static constexpr uint64_t kErrorCodeOptional = bit(56);

    constexpr uint32_t revision() const { return Field<30, 0, uint32_t>::get(raw); }
    constexpr uint32_t region_bytes() const { return Field<44, 32, uint32_t>::get(raw); }
    constexpr MemoryType memory_type() const { return Field<53, 50, MemoryType>::get(raw); }
    constexpr bool has(uint64_t bits) const { return (raw & bits) == bits; }
};

// One of the 32-bit control words' MSRs: which bits must be 1 (low half), which may be 1 (high half).
template <class Controls>
struct ControlCapability {
    uint64_t raw = 0;

    static constexpr ControlCapability make(uint32_t must_be_1, uint32_t may_be_1) {
        return {must_be_1 | uint64_t{may_be_1} << 32};
    }

    constexpr uint32_t allowed0() const { return static_cast<uint32_t>(raw); }
    constexpr uint32_t allowed1() const { return static_cast<uint32_t>(raw >> 32); }
    constexpr bool supports(uint32_t bits) const { return (bits & ~allowed1()) == 0; }

    // wanted, with the bits that must be 1 set and those that must be 0 clear. Compare with has() afterwards.
    constexpr Controls adjust(Controls wanted) const { return {{(wanted.raw | allowed0()) & allowed1()}}; }
    // Whether VM entry accepts the word.
    constexpr bool accepts(Controls controls) const {
        return (controls.raw & allowed0()) == allowed0() && supports(controls.raw);
    }
};

using PinCapability = ControlCapability<PinControls>;
using PrimaryCapability = ControlCapability<PrimaryControls>;
using SecondaryCapability = ControlCapability<SecondaryControls>;
using ExitCapability = ControlCapability<ExitControls>;
using EntryCapability = ControlCapability<EntryControls>;

// Bits that must be 1 in each word by the "default1" class, unless a TRUE capability MSR says otherwise.
// SDM Vol. 3D A.2.
inline constexpr uint32_t kPinDefault1 = 0x00000016;
inline constexpr uint32_t kPrimaryDefault1 = 0x0401e172;
inline constexpr uint32_t kExitDefault1 = 0x00036dff;
inline constexpr uint32_t kEntryDefault1 = 0x000011ff;

// IA32_VMX_MISC.
struct VmxMisc {
    uint64_t raw = 0;

    static constexpr uint64_t kStoresLmaToEntryControls = bit(5);
    static constexpr uint64_t kActivityHlt = bit(6);
    static constexpr uint64_t kActivityShutdown = bit(7);
    static constexpr uint64_t kActivityWaitForSipi = bit(8);
    static constexpr uint64_t kIntelPt = bit(14);
    static constexpr uint64_t kSmbaseMsr = bit(15);
    static constexpr uint64_t kSmmMonitorCtlBlocksSmi = bit(28);
    static constexpr uint64_t kVmwriteAnyField = bit(29);
    static constexpr uint64_t kZeroLengthInjection = bit(30);

    // The preemption timer counts down once every 2^shift TSC ticks.
    constexpr unsigned preemption_timer_shift() const { return Field<4, 0, unsigned>::get(raw); }
    constexpr unsigned cr3_targets() const { return Field<24, 16, unsigned>::get(raw); }
    constexpr unsigned msr_list_max() const { return 512 * (Field<27, 25, unsigned>::get(raw) + 1); }
    constexpr uint32_t mseg_revision() const { return Field<63, 32, uint32_t>::get(raw); }
    constexpr bool has(uint64_t bits) const { return (raw & bits) == bits; }
};

// IA32_VMX_EPT_VPID_CAP.
struct EptVpidCapability {
    uint64_t raw = 0;

    static constexpr uint64_t kExecuteOnly = bit(0);
    static constexpr uint64_t kWalkLength4 = bit(6);
    static constexpr uint64_t kWalkLength5 = bit(7);
    static constexpr uint64_t kUncacheable = bit(8);
    static constexpr uint64_t kWriteBack = bit(14);
    static constexpr uint64_t kPage2M = bit(16);
    static constexpr uint64_t kPage1G = bit(17);
    static constexpr uint64_t kInvept = bit(20);
    static constexpr uint64_t kAccessedDirty = bit(21);
    static constexpr uint64_t kAdvancedExitInformation = bit(22);
    static constexpr uint64_t kSupervisorShadowStack = bit(23);
    static constexpr uint64_t kInveptSingleContext = bit(25);
    static constexpr uint64_t kInveptAllContext = bit(26);
    static constexpr uint64_t kInvvpid = bit(32);
    static constexpr uint64_t kInvvpidIndividualAddress = bit(40);
    static constexpr uint64_t kInvvpidSingleContext = bit(41);
    static constexpr uint64_t kInvvpidAllContext = bit(42);
    static constexpr uint64_t kInvvpidRetainingGlobals = bit(43);

    constexpr unsigned hlat_prefix_max() const { return Field<53, 48, unsigned>::get(raw); }
    constexpr bool has(uint64_t bits) const { return (raw & bits) == bits; }
};

// IA32_VMX_CR0_FIXED0/1 and IA32_VMX_CR4_FIXED0/1: a bit set in fixed0 must be 1, one clear in fixed1 must be
// 0.
constexpr bool meets_fixed_bits(uint64_t value, uint64_t fixed0, uint64_t fixed1) {
    return (value & fixed0) == fixed0 && (value & ~fixed1) == 0;
}

}  // namespace vtless::x86
