// SPDX-License-Identifier: MIT
// A memory operand as an instruction names it: ModRM, SIB, displacement and segment override, resolved.
// SDM Vol. 2A "Instruction Format" (2).
#pragma once

#include <cstdint>
#include <optional>

#include "isa/bits.h"
#include "isa/x86/registers.h"

namespace vtless::x86 {

struct MemoryOperand {
    SegmentRegister segment = SegmentRegister::DS;
    std::optional<Gpr> base = std::nullopt;
    std::optional<Gpr> index = std::nullopt;
    uint8_t scale = 1;
    uint8_t address_bytes = 8;  // 2, 4 or 8: the effective address is cut to this
    bool rip_relative = false;
    int64_t displacement = 0;  // sign-extended; of MOV with a direct offset (A0 to A3) zero-extended

    friend constexpr bool operator==(const MemoryOperand&, const MemoryOperand&) = default;
};

// Offset within the segment. next_rip: of the instruction after this one; gpr(Gpr) gives 64 bits.
template <class ReadGpr>
constexpr uint64_t effective_address(const MemoryOperand& memory, uint64_t next_rip, ReadGpr&& gpr) {
    auto address = static_cast<uint64_t>(memory.displacement);
    if (memory.rip_relative) address += next_rip;
    if (memory.base) address += gpr(*memory.base);
    if (memory.index) address += gpr(*memory.index) * memory.scale;
    return address & bit_range(memory.address_bytes * 8u - 1, 0);
}

}  // namespace vtless::x86
