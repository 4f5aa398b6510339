// SPDX-License-Identifier: MIT
// What things cost in simulated cycles. docs/timing.md says what that does and does not see.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/time/cost_table.h"

namespace vtless::sim {

// What instructions cost, in cycles.
struct InstructionCosts {
    uint16_t carried_out = 20;  // by the processor itself, or of which the table knows nothing
    uint16_t uniform = 0;       // not 0: each instruction costs this, whatever it is
    const CostTable* table = CostTable::find("haswell");
    // For tests that want to see what notices: an instruction by its Capstone id (x86_insn), 0 none.
    unsigned changed_id = 0;
    uint16_t changed_cycles = 0;

    // Of an instruction that costs the same wherever it stands; nothing of one of the table.
    std::optional<uint16_t> alone(unsigned capstone_id) const;
};

// Of what the processor does around guest code, in cycles. The default is vmm/timing/haswell.json, which
// names the sources.
struct TransitionCosts {
    uint32_t vm_exit = 265;
    uint32_t vm_entry = 265;
    uint32_t event_delivery = 100;
    uint32_t walk_reference = 10;  // a paging-structure entry that a walk reads, guest's or EPT's
    // The VMX instructions of root operation; VMLAUNCH and VMRESUME are VM entries.
    uint32_t vmread = 20;
    uint32_t vmwrite = 20;
    uint32_t vmcs_switch = 100;   // VMXON VMXOFF VMCLEAR VMPTRLD VMPTRST, VMCALL
    uint32_t invalidation = 200;  // INVEPT INVVPID

    static constexpr TransitionCosts none() { return {0, 0, 0, 0, 0, 0, 0, 0}; }
    friend constexpr bool operator==(const TransitionCosts&, const TransitionCosts&) = default;
};

// How much of what takes time is seen. docs/timing.md.
enum class Fidelity : uint8_t {
    Count,   // instructions: one cycle each, and nothing else takes time
    Approx,  // what instructions cost, walks, transitions, VMX instructions, delivery
};

}  // namespace vtless::sim
