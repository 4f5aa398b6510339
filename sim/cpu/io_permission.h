// SPDX-License-Identifier: MIT
// SDM Vol. 1 "I/O Privilege Level" (19.5.1), "I/O Permission Bit Map" (19.5.2).
#pragma once

#include <cstdint>

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// Whether IN, OUT, INS or OUTS may access `bytes` ports from `port`: Done, #GP(0), or the fault of reading
// the TSS. Changes nothing.
CpuResult check_io_permission(CpuState& cpu, Mmu& mmu, uint16_t port, unsigned bytes);

}  // namespace vtless::sim
