// SPDX-License-Identifier: MIT
// What root operation asked of the processor: how often it accessed each VMCS field, and how often which VM
// exit brought it back. What a gate on a hypervisor's exit path looks at.
#pragma once

#include <array>
#include <cstdint>

#include "sim/vmx/vmcs_layout.h"

namespace vtless::sim {

struct VmxCounts {
    static constexpr unsigned kReasons = 128;

    // By vmcs_slot(). Instructions that failed are not counted; an access to the high half is the field's.
    std::array<uint64_t, kVmcsSlots> vmreads{};
    std::array<uint64_t, kVmcsSlots> vmwrites{};
    // By basic exit reason, VM-entry failures that are reported as exits included.
    std::array<uint64_t, kReasons> exits{};
};

}  // namespace vtless::sim
