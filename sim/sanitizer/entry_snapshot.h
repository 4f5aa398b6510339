// SPDX-License-Identifier: MIT
// What a VM entry was asked for: a VM exit changes most of it.
#pragma once

#include <cstdint>

#include "isa/x86/event_info.h"
#include "isa/x86/vmx_controls.h"
#include "sim/sanitizer/finding.h"

namespace vtless::sim {

struct EntrySnapshot {
    FindingSite site;
    x86::EventInfo injected;
    x86::PinControls pin;
    x86::PrimaryControls primary;
    uint64_t rip = 0;
    uint64_t instructions = 0;  // that the engine had executed
};

}  // namespace vtless::sim
