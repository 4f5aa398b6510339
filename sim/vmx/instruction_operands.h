// SPDX-License-Identifier: MIT
// Operands of stopped instructions: where they lie, and how a VM exit describes them.
#pragma once

#include <cstdint>

#include "isa/addr.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"

namespace vtless::sim {

// Linear address of an offset into a segment, unchecked; outside 64-bit mode cut to 32 bits.
Gva linear_address(const CpuState& cpu, x86::SegmentRegister segment, uint64_t offset);
// Of the memory operand.
Gva operand_address(const CpuState& cpu, const StoppedInstruction& instruction);

// VM-exit instruction-information field. 0 for instructions that have none.
// SDM Vol. 3C "Information for VM Exits Due to Instruction Execution" (28.2.5).
uint32_t instruction_information(const StoppedInstruction& instruction);
// Exit qualification of instructions with a memory operand: its displacement, with RIP-relative addressing
// the sum of displacement and RIP of the next instruction. SDM Vol. 3C 28.2.1.
uint64_t displacement_qualification(const CpuState& cpu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
