// SPDX-License-Identifier: MIT
#include "sim/time/cycle_costs.h"

#include <capstone/capstone.h>

namespace vtless::sim {

// Orders of magnitude, not a model of a part: what dominates straight-line code is that most instructions
// take about a cycle and that these do not.
std::optional<uint16_t> instruction_cycles(unsigned capstone_id) {
    switch (capstone_id) {
        case X86_INS_NOP:
            return 1;
        case X86_INS_MUL:
        case X86_INS_IMUL:
        case X86_INS_BSF:
        case X86_INS_BSR:
        case X86_INS_POPCNT:
        case X86_INS_CRC32:
            return 3;
        case X86_INS_ADDSD:
        case X86_INS_MULSD:
        case X86_INS_FADD:
        case X86_INS_FMUL:
            return 4;
        case X86_INS_DIV:
        case X86_INS_IDIV:
            return 25;
        case X86_INS_DIVSD:
        case X86_INS_SQRTSD:
        case X86_INS_FDIV:
            return 20;
        case X86_INS_XCHG:
        case X86_INS_CMPXCHG:
        case X86_INS_CMPXCHG8B:
        case X86_INS_CMPXCHG16B:
        case X86_INS_MFENCE:
            return 20;
        case X86_INS_RDTSC:
        case X86_INS_RDTSCP:
        case X86_INS_IRET:
        case X86_INS_IRETD:
        case X86_INS_IRETQ:
            return std::nullopt;
        case X86_INS_SYSRET:
        case X86_INS_SYSENTER:
        case X86_INS_SYSCALL:
            return 50;
        case X86_INS_PUSHF:
        case X86_INS_PUSHFD:
        case X86_INS_PUSHFQ:
            return 3;
        case X86_INS_POPF:
        case X86_INS_POPFD:
        case X86_INS_POPFQ:
            return 15;
        default:
            return 1;
    }
}

}  // namespace vtless::sim
