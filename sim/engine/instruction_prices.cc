// SPDX-License-Identifier: MIT
#include "sim/engine/instruction_prices.h"

#include <capstone/capstone.h>

#include <algorithm>

namespace vtless::sim {

// The translator mostly ends a block there too. Where it does not, or ends one elsewhere, time is the same.
bool ends_straight_run(unsigned capstone_id) {
    switch (capstone_id) {
        case X86_INS_JAE:
        case X86_INS_JA:
        case X86_INS_JBE:
        case X86_INS_JB:
        case X86_INS_JCXZ:
        case X86_INS_JECXZ:
        case X86_INS_JRCXZ:
        case X86_INS_JE:
        case X86_INS_JGE:
        case X86_INS_JG:
        case X86_INS_JLE:
        case X86_INS_JL:
        case X86_INS_JMP:
        case X86_INS_JNE:
        case X86_INS_JNO:
        case X86_INS_JNP:
        case X86_INS_JNS:
        case X86_INS_JO:
        case X86_INS_JP:
        case X86_INS_JS:
        case X86_INS_LJMP:
        case X86_INS_LOOP:
        case X86_INS_LOOPE:
        case X86_INS_LOOPNE:
        case X86_INS_CALL:
        case X86_INS_LCALL:
        case X86_INS_RET:
        case X86_INS_RETF:
        case X86_INS_RETFQ:
        case X86_INS_IRET:
        case X86_INS_IRETD:
        case X86_INS_IRETQ:
        case X86_INS_INT:
        case X86_INS_INT1:
        case X86_INS_INT3:
        case X86_INS_INTO:
        case X86_INS_SYSCALL:
        case X86_INS_SYSENTER:
        case X86_INS_SYSEXIT:
        case X86_INS_SYSRET:
        case X86_INS_HLT:
        case X86_INS_UD2:
        case X86_INS_INVALID:
        case X86_INS_STI:
        case X86_INS_POPF:
        case X86_INS_POPFD:
        case X86_INS_POPFQ:
        case X86_INS_CLAC:
        case X86_INS_STAC:
        case X86_INS_CPUID:
        case X86_INS_PAUSE:
        case X86_INS_WRMSR:
        case X86_INS_INVLPG:
        case X86_INS_XRSTOR:
        case X86_INS_XRSTOR64:
        case X86_INS_XSETBV:
            return true;
        default:
            return false;
    }
}

uint16_t InstructionPrices::append(unsigned capstone_id, std::span<const std::byte> bytes, unsigned bits) {
    const std::optional<uint16_t> alone = costs_.alone(capstone_id);
    const uint32_t ticks = alone ? line_.append_alone(*alone) : line_.append(bytes, bits);
    return static_cast<uint16_t>(std::min<uint32_t>(ticks, 0xffff));
}

}  // namespace vtless::sim
