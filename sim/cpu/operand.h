// SPDX-License-Identifier: MIT
// Operands of the instructions that the engine stops before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

struct DataAccess {
    AccessType type = AccessType::Read;
    size_t bytes = 1;
};

// The memory operand's offset in its segment, cut to the address size. The SDM's effective address.
uint64_t effective_offset(const CpuState& cpu, const StoppedInstruction& instruction);
// The linear address of a memory operand, its segment's rights and limit and the address's
// form checked: #GP(0), or #SS(0) for the stack segment. Translates nothing.
CpuResult effective_address(const CpuState& cpu, const StoppedInstruction& instruction,
                            const DataAccess& access, Gva& out);
// As above, for an offset in a segment that no operand describes (string instructions).
CpuResult segment_address(const CpuState& cpu, x86::SegmentRegister segment, uint64_t offset,
                          const DataAccess& access, Gva& out);

// The same of what an iteration of INS writes or OUTS reads.
CpuResult string_io_address(const CpuState& cpu, const StoppedInstruction& instruction, Gva& out);

// An explicit data access at the current privilege.
Access explicit_access(const CpuState& cpu, AccessType type);
CpuResult read_memory(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                      std::span<std::byte> bytes);
CpuResult write_memory(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                       std::span<const std::byte> bytes);

// Writes a register as an instruction of that operand size (2, 4 or 8 bytes) does: 2 bytes leave the rest.
void set_gpr_sized(CpuState& cpu, x86::Gpr index, unsigned bytes, uint64_t value);
// Past the instruction: RIP behind it, RF and the interrupt shadow gone.
void retire(CpuState& cpu, unsigned length);

}  // namespace vtless::sim
