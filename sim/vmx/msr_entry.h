// SPDX-License-Identifier: MIT
// An entry of an MSR-load or MSR-store area. SDM Vol. 3C "VM-Exit Controls for MSRs" (25.7.2).
#pragma once

#include <cstdint>
#include <optional>

#include "sim/vmx/entry_check_table.h"

namespace vtless::sim {

// As in memory.
struct MsrEntry {
    uint32_t index;
    uint32_t reserved;
    uint64_t value;
};
static_assert(sizeof(MsrEntry) == 16);

// The check that VM entry fails whatever the value and the processor, if any.
std::optional<CheckId> refused_msr_entry(const MsrEntry& entry);

struct MsrLoadFailure {
    CheckId check;
    uint32_t entry = 0;  // counted from 1
    MsrEntry content{};
};

}  // namespace vtless::sim
