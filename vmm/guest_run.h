// SPDX-License-Identifier: MIT
// One guest from its files to its end, on the simulated processor.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "isa/addr.h"
#include "sim/vmx/vmx_processor.h"
#include "vcpu/vmx/config.h"
#include "vmm/error.h"
#include "vmm/machine.h"
#include "vmm/outcome.h"
#include "vmm/statistics.h"

namespace vtless::vmm {

struct FirmwareGuest {
    std::string image;
};

struct FlatGuest {
    std::string image;
    Gpa load;
    Gpa entry;
};

struct LinuxGuest {
    std::string kernel;
    std::string initrd;  // empty: none
    std::string command_line;
};

enum class BackendKind : uint8_t { Sim, Kvm };
// Whether the guest has a local APIC. Linux KVM has one in the kernel; the machine itself has none.
enum class LocalApicKind : uint8_t { None, Kernel };

struct GuestRunConfig {
    static constexpr uint64_t kMinimumMemory = 1 << 20;
    static constexpr uint64_t kMaximumMemory = uint64_t{16} << 30;

    BackendKind backend = BackendKind::Sim;
    LocalApicKind local_apic = LocalApicKind::None;  // Kernel: on Kvm only
    std::variant<FirmwareGuest, FlatGuest, LinuxGuest> guest;
    uint64_t memory = 128 << 20;  // bytes, a multiple of 4 KiB between the two limits
    RunLimits limits;
    std::string until;          // text whose printing ends the run; empty: none
    std::string debug_console;  // paths as CharacterOutput::open takes them
    std::string serial;
    std::string trace;                // path; empty: none
    std::string dump_vmcs;            // path for the VMCS at the end, as JSON; empty: none
    uint64_t tsc_hz = kDefaultTscHz;  // cycles in a second of device time; on Sim only
    sim::VmxProcessorConfig processor;
    vmx::CpuidHook cpuid_hook;  // may change what the guest's CPUID says
};

struct GuestRunResult {
    Outcome outcome;
    RunStatistics statistics;
    std::string state;  // the processor's, as text, if the guest failed
};

// Fails if the run cannot begin: bad sizes or images, an unusable engine, a file that cannot be written.
Result<GuestRunResult> run_guest(const GuestRunConfig& config);

}  // namespace vtless::vmm
