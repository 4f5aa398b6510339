// SPDX-License-Identifier: MIT
// Loads of control registers, IA32_EFER and XCR0, with their rules. SDM Vol. 2A/2B "MOV—Move to/from Control
// Registers", "CLTS", "LMSW", "SMSW", "XSETBV", Vol. 3A "Control Registers" (2.5), "Invalidation of TLBs and
// Paging-Structure Caches" (4.10.4).
#pragma once

#include "sim/cpu/features.h"
#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/stop.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// The registers as Mmu wants them; the PDPTEs are those that mmu has.
PagingState paging_state(const CpuState& cpu, const Mmu& mmu);

// Privileged instructions: #GP(0) unless CPL is 0.
CpuResult require_cpl0(const CpuState& cpu);

// Set a register to a value as MOV does, without privilege check and without moving RIP. They keep Mmu in
// step and flush it as the architecture says. The restrictions of VMX operation are not theirs.
CpuResult write_cr0(CpuState& cpu, Mmu& mmu, uint64_t value);
CpuResult write_cr3(CpuState& cpu, Mmu& mmu, uint64_t value);
CpuResult write_cr4(CpuState& cpu, Mmu& mmu, uint64_t value, const CpuFeatures& features);
// WRMSR of IA32_EFER.
CpuResult write_efer(CpuState& cpu, Mmu& mmu, uint64_t value, const CpuFeatures& features);

// Whole instructions. CR8 is not a CpuState register: #UD, like the registers that do not exist.
CpuResult mov_to_cr(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                    const CpuFeatures& features);
CpuResult mov_from_cr(CpuState& cpu, const StoppedInstruction& instruction);
CpuResult clts(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);
// The operand of LMSW, for who has to look at it before.
CpuResult lmsw_source(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, uint16_t& source);
CpuResult lmsw(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);
CpuResult smsw(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);
CpuResult xsetbv(CpuState& cpu, const StoppedInstruction& instruction, const CpuFeatures& features);
CpuResult invlpg(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction);

}  // namespace vtless::sim
