// SPDX-License-Identifier: MIT
// Decodes the instructions that the engine stops before, and only those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/engine/code_map.h"
#include "sim/engine/stop.h"

namespace vtless::sim {

// id is UNDEFINED for any other instruction, and None when the bytes end before the instruction does.
StoppedInstruction decode_stopped_instruction(std::span<const std::byte> bytes, CodeSize size);

// Whether Unicorn runs the instruction without asking, and wrongly: such instructions need a hook.
bool needs_hook(Instruction id);

}  // namespace vtless::sim
