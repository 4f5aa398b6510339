// SPDX-License-Identifier: MIT
// An entry of an MSR-load or MSR-store area. SDM Vol. 3C "VM-Exit Controls for MSRs" (25.7.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/vmx/capability.h"
#include "sim/vmx/entry_check_table.h"

namespace vtless::sim {

// As in memory.
struct MsrEntry {
    uint32_t index;
    uint32_t reserved;
    uint64_t value;
};
static_assert(sizeof(MsrEntry) == 16);

// The processor that loads an entry, and the paging of what it enters: then IA32_EFER.LME cannot change.
struct MsrLoading {
    const VmxCapabilities& capabilities;
    bool paging = false;
    bool long_mode = false;  // IA32_EFER.LME
};

// The check that loading an entry fails whatever the value, the processor and its state, if any.
std::optional<CheckId> refused_msr_index(const MsrEntry& entry);
// The check that it fails, if any. SDM Vol. 3C "Loading MSRs" (27.4, 28.6).
std::optional<CheckId> refused_msr_entry(const MsrEntry& entry, const MsrLoading& loading);

struct MsrLoadFailure {
    CheckId check;
    uint32_t entry = 0;  // counted from 1
    MsrEntry content{};
};

// Which entry it is, what it holds, and what it could hold instead.
std::string describe(const MsrLoadFailure& failed, const MsrLoading& loading);
// The same of a failure to store the content's MSR: entry is counted from 1.
std::string describe_unstored(uint32_t entry, const MsrEntry& content);

}  // namespace vtless::sim
