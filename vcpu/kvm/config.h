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

struct SetupConfig {
    vmx::GuestEntryState entry_state = vmx::GuestEntryState::real_mode();
    std::vector<vmx::MmioRange> mmio;  // accesses here are MmioRead and MmioWrite, elsewhere NestedPageFault
    vmx::PowerOffPort power_off;
    // nullopt: what KVM supports. The hook sees each entry once, at set-up: KVM executes CPUID itself.
    std::optional<std::vector<CpuidEntry>> cpuid;
    vmx::CpuidHook cpuid_hook;
    std::optional<uint64_t> xcr0;  // nullopt: KVM's, which is the reset value
    // run() returns PreemptionTimer after this much of the host's time; 0: no limit. Two system calls a run.
    std::chrono::nanoseconds time_slice{0};
};

}  // namespace vtless::kvm
