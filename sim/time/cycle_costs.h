// SPDX-License-Identifier: MIT
// What things cost in simulated cycles. One simple table; docs/timing.md says what it does and does not see.
#pragma once

#include <cstdint>

namespace vtless::sim {

// Of one guest instruction, by its Capstone id (x86_insn). 1 unless the table knows better.
uint16_t instruction_cycles(unsigned capstone_id);

// The table, in which a caller may have one instruction cost something else: a test, to see what notices.
struct InstructionCosts {
    unsigned changed_id = 0;  // 0, no instruction: nothing is changed
    uint16_t changed_cycles = 0;

    uint16_t of(unsigned capstone_id) const {
        return changed_id != 0 && capstone_id == changed_id ? changed_cycles
                                                            : instruction_cycles(capstone_id);
    }
};

// Of what the processor does around guest code. The round trip of a VM exit is the median of eleven Haswell
// parts, 530 TSC ticks (vmlatency data set, docs/timing.md); how it is split between exit and
// entry is our choice, since no source separates them.
struct TransitionCosts {
    static constexpr uint64_t kVmExit = 265;
    static constexpr uint64_t kVmEntry = 265;
    static constexpr uint64_t kEventDelivery = 100;
    static constexpr uint64_t kEmulatedInstruction = 20;
};

}  // namespace vtless::sim
