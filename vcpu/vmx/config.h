// SPDX-License-Identifier: MIT
// How a VmxVCpu is created and set up: what is intercepted, and what the embedder lends it.
#pragma once

#include <cstdint>
#include <optional>

#include "isa/addr.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/msr.h"
#include "vcpu/vmx/fixed_vector.h"
#include "vcpu/vmx/guest_entry_state.h"
#include "vcpu/vmx/local_apic.h"

namespace vtless::vmx {

struct PortRange {
    uint16_t first = 0;
    uint16_t last = 0;  // inclusive
};

struct MmioRange {
    Gpa base;
    uint64_t bytes = 0;

    constexpr bool contains(Gpa address, uint64_t length) const {
        return address >= base && length <= bytes && address - base <= bytes - length;
    }
};

// Accesses that do not exit. Only MSRs 0 to 1FFF and C0000000 to C0001FFF can be passed through.
struct MsrPassThrough {
    x86::Msr msr{};
    bool read = true;
    bool write = true;
};

// OUT of `value` (16 bits) to `port` is SystemDown, whatever the bitmap says.
struct PowerOffPort {
    bool enabled = true;
    uint16_t port = 0x604;
    uint16_t value = 0x2000;
};

// Called last on each CPUID exit; may change any result.
struct CpuidHook {
    void (*function)(void* context, uint32_t leaf, uint32_t subleaf, x86::CpuidResult& result) = nullptr;
    void* context = nullptr;
};

struct PreemptionTimer {
    uint32_t ticks = 0;   // in units of the processor's timer rate; 0: no timer
    bool report = false;  // an expiry is VmExit::PreemptionTimer instead of Nothing
};

using MsrPassThroughList = FixedVector<MsrPassThrough, 64>;

// MSRs whose guest values the processor or bind and unbind keep: no exit is needed for them.
constexpr MsrPassThroughList default_msr_pass_through() {
    using x86::Msr;
    MsrPassThroughList list;
    for (Msr msr : {Msr::IA32_SYSENTER_CS, Msr::IA32_SYSENTER_ESP, Msr::IA32_SYSENTER_EIP, Msr::IA32_PAT,
                    Msr::IA32_FS_BASE, Msr::IA32_GS_BASE, Msr::IA32_KERNEL_GS_BASE, Msr::IA32_STAR,
                    Msr::IA32_LSTAR, Msr::IA32_CSTAR, Msr::IA32_FMASK, Msr::IA32_TSC_AUX})
        list.push_back({msr, true, true});
    list.push_back({Msr::IA32_EFER, true, false});
    list.push_back({Msr::IA32_TIME_STAMP_COUNTER, true, false});
    return list;
}

struct SetupConfig {
    GuestEntryState entry_state = GuestEntryState::real_mode();

    // Interception. What is not passed through exits.
    bool hlt_exiting = true;
    uint32_t exception_bitmap = 0;  // intercepted exceptions are seen by the Policy and re-injected
    bool pass_all_ports = false;    // as upstream: all but the power-off port
    FixedVector<PortRange, 16> passed_ports;
    MsrPassThroughList passed_msrs = default_msr_pass_through();
    FixedVector<MmioRange, 16> mmio;  // EPT violations here become MmioRead and MmioWrite
    PowerOffPort power_off;
    PreemptionTimer preemption_timer;
    uint64_t tsc_offset = 0;

    // The local APIC: x2APIC MSRs, the page at apic_base (by EPT violation, or, if apic_access_page names the
    // frame that EPT maps there, by APIC-access exits) and MOV to and from CR8.
    LocalApic* local_apic = nullptr;
    Gpa apic_base{0xfee00000};
    std::optional<Hpa> apic_access_page;

    CpuidHook cpuid_hook;

    // Handled exits after which run() enters again before it returns Nothing; 0 returns each, as upstream.
    uint32_t max_reentries = 0;
    // Raise the guest's single-step trap after an emulated instruction: one more VMREAD (RFLAGS) an exit.
    bool emulate_single_step = true;
};

}  // namespace vtless::vmx
