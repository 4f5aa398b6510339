// SPDX-License-Identifier: MIT
// What things cost in simulated cycles. One simple table; docs/timing.md says what it does and does not see.
#pragma once

#include <cstdint>
#include <optional>

namespace vtless::sim {

// Of one guest instruction, by its Capstone id (x86_insn); nothing for those that the processor carries out
// itself, whoever does it.
std::optional<uint16_t> instruction_cycles(unsigned capstone_id);

// The table, in which a caller may have one instruction cost something else: a test, to see what notices.
struct InstructionCosts {
    uint16_t carried_out = 20;
    unsigned changed_id = 0;  // 0, no instruction: nothing is changed
    uint16_t changed_cycles = 0;

    uint16_t of(unsigned capstone_id) const {
        if (changed_id != 0 && capstone_id == changed_id) return changed_cycles;
        return instruction_cycles(capstone_id).value_or(carried_out);
    }
};

// Of what the processor does around guest code, in cycles. The default is vmm/timing/haswell.json, which
// names the sources.
struct TransitionCosts {
    uint32_t vm_exit = 265;
    uint32_t vm_entry = 265;
    uint32_t event_delivery = 100;
};

}  // namespace vtless::sim
