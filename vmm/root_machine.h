// SPDX-License-Identifier: MIT
// A computer whose code is the hypervisor: a ROM image from the reset vector on, VMXON to VMXOFF, and the
// guests that it enters. RAM, ROM, the processor, and a few ports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/vmx/vmx_processor.h"
#include "vmm/error.h"
#include "vmm/power.h"

namespace vtless::vmm {

struct RootMachineConfig {
    static constexpr uint64_t kMinimumMemory = uint64_t{2} << 20;
    static constexpr uint64_t kMaximumMemory = uint64_t{3} << 30;

    std::string image;                     // as firmware: ends at 4 GiB, and at 1 MiB for real mode
    uint64_t memory = uint64_t{16} << 20;  // bytes, a multiple of 4 KiB
    uint64_t max_cycles = ~uint64_t{0};
    std::string debug_console = "-";  // ports 0xe9 and 0x402
    sim::VmxProcessorConfig processor;
};

struct RootMachineResult {
    std::optional<PowerRequest> request;  // how the image ended the run, if it did
    bool failed = false;
    std::string text;   // how it ended: one sentence without a full stop
    std::string state;  // when it failed: the processor's
    uint64_t cycles = 0;
    uint64_t entries = 0;  // VM entries that ran a guest
};

Result<RootMachineResult> run_root_machine(const RootMachineConfig& config);

}  // namespace vtless::vmm
