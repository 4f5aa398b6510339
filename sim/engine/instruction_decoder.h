// SPDX-License-Identifier: MIT
// Decodes the instructions that the engine stops before, and only those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/engine/code_map.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"

namespace vtless::sim {

// id is UNDEFINED for any other instruction, and None when the bytes end before the instruction does.
StoppedInstruction decode_stopped_instruction(std::span<const std::byte> bytes, CodeSize size);

inline constexpr size_t kLongestInstruction = 15;  // bytes

inline CodeSize code_size(const CpuState& cpu) {
    return cpu.code64() ? CodeSize::Bits64 : cpu.code32() ? CodeSize::Bits32 : CodeSize::Bits16;
}

// Whether the instruction reads segment descriptors, which it does as supervisor whatever the CPL.
bool loads_segment(std::span<const std::byte> bytes, bool code64);
// Whether the instruction's memory operand, explicit or implied, is in the stack segment.
bool addresses_stack(std::span<const std::byte> bytes, CodeSize size);

// Whether Unicorn runs the instruction without asking, and wrongly: such instructions need a hook.
bool needs_hook(const StoppedInstruction& instruction);
// Those of them that the engine carries out itself, where Unicorn would not do.
constexpr bool is_carried_out(Instruction id) {
    return id >= Instruction::PCMPESTRI && id <= Instruction::IDIV32;
}
// Whether Unicorn's PCMPESTRx or PCMPISTRx is right, but for lengths that it mistakes.
bool compares_right(const StoppedInstruction& instruction);

}  // namespace vtless::sim
