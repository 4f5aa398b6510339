// SPDX-License-Identifier: MIT
// What the sanitizer remembers of one VMCS, by the address of its region.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

#include "isa/x86/event_info.h"
#include "isa/x86/registers.h"
#include "sim/vmx/vmcs_layout.h"

namespace vtless::sim {

// The last VM exit, as far as the next one may repeat it.
struct ExitTrail {
    uint32_t reason = 0;
    uint32_t interruption = 0;
    uint64_t qualification = 0;
    uint64_t rip = 0;
    uint64_t guest_physical = 0;
    std::array<uint64_t, x86::kGprCount> gprs{};
    std::array<uint64_t, 5> ept_entries{};  // of an EPT exit: what its walk met, from the top
};

// An event that a VM exit has kept from being delivered.
struct OwedEvent {
    x86::EventInfo info;
    x86::EventInfo cause;  // the VM-exit interruption information of that exit
    uint64_t rip = 0;
};

struct VmcsRecord {
    static constexpr int kInactive = -1;

    int active_on = kInactive;   // processor
    std::vector<uint8_t> image;  // the region while it is active, as software left it
    bool known = false;          // it was loaded before: `written` holds
    std::bitset<kVmcsSlots> written;
    bool uses_unchecked = true;  // controls were written since the fields that they need were looked at

    bool injection_waits = false;  // written since the last entry, and valid
    std::optional<OwedEvent> owed;
    std::vector<x86::EventInfo> queued;  // by the backend's own word
    std::optional<ExitTrail> last_exit;
};

}  // namespace vtless::sim
