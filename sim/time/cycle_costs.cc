// SPDX-License-Identifier: MIT
#include "sim/time/cycle_costs.h"

#include <capstone/capstone.h>

namespace vtless::sim {

namespace {

// What the processor carries out itself, whoever does it.
bool is_carried_out(unsigned capstone_id) {
    switch (capstone_id) {
        case X86_INS_RDTSC:
        case X86_INS_RDTSCP:
        case X86_INS_IRET:
        case X86_INS_IRETD:
        case X86_INS_IRETQ:
        case X86_INS_SYSCALL:
        case X86_INS_SYSENTER:
        case X86_INS_SYSEXIT:
        case X86_INS_SYSRET:
            return true;
        default:
            return false;
    }
}

}  // namespace

std::optional<uint16_t> InstructionCosts::alone(unsigned capstone_id) const {
    if (changed_id != 0 && capstone_id == changed_id) return changed_cycles;
    if (uniform != 0) return uniform;
    if (is_carried_out(capstone_id)) return carried_out;
    return std::nullopt;
}

}  // namespace vtless::sim
