// SPDX-License-Identifier: MIT
// How a KvmVCpu is set up.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "vcpu/kvm/vm.h"
#include "vcpu/vmx/config.h"
#include "vcpu/vmx/guest_entry_state.h"

namespace vtless::kvm {

// A guest's EOI for a vector of Vm::set_ioapic_routes that is level-triggered, within run(), which then
// returns Nothing.
struct EoiHook {
    void (*function)(void* context, uint8_t vector) = nullptr;
    void* context = nullptr;
};

struct SetupConfig {
    vmx::GuestEntryState entry_state = vmx::GuestEntryState::real_mode();
    std::vector<vmx::MmioRange> mmio;  // accesses here are MmioRead and MmioWrite, elsewhere NestedPageFault
    vmx::PowerOffPort power_off;
    // nullopt: what KVM supports. The hook sees each entry once, at set-up: KVM executes CPUID itself.
    std::optional<std::vector<CpuidEntry>> cpuid;
    vmx::CpuidHook cpuid_hook;
    std::optional<uint64_t> xcr0;  // nullopt: KVM's, which is the reset value
    // With the kernel's local APICs. wait_for_sipi: INIT has been, the start-up IPI says where it starts.
    bool wait_for_sipi = false;
    EoiHook eoi_hook;  // without one such an EOI is Unhandled
    // run() returns PreemptionTimer after this much of the host's time; 0: no limit. Two system calls a run.
    std::chrono::nanoseconds time_slice{0};
};

}  // namespace vtless::kvm
