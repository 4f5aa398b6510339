// SPDX-License-Identifier: MIT
// How each live field of the VMCS is read from and written to a state image.
#pragma once

#include <cstdint>

#include "sim/engine/cpu_state.h"
#include "sim/vmx/vmcs_layout.h"

namespace vtless::sim {

// field is not INTERRUPTIBILITY, which no image holds.
uint64_t load_live_field(const CpuState& cpu, LiveField field);
// Writing a part of a segment keeps its other parts. CPL is not touched.
void store_live_field(CpuState& cpu, LiveField field, uint64_t value);

}  // namespace vtless::sim
