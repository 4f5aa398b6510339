// SPDX-License-Identifier: MIT
// RDRAND and RDSEED. There is always a number.
#include "isa/x86/cpuid.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::SecondaryControls;
using Next = NonRoot::Next;

// SDM Vol. 3C "Instructions That Cause VM Exits Conditionally" (26.1.3). The engine's processor has both, and
// stops before them.
Next NonRoot::random(const StoppedInstruction& instruction) {
    const bool seed = instruction.id == Instruction::RDSEED;
    const CpuidFeatures& has = parts_.capabilities.cpuid;
    const bool defined = seed ? (has.leaf7_ebx & x86::cpuid::leaf7_ebx::RDSEED) != 0
                              : (has.leaf1_ecx & x86::cpuid::leaf1_ecx::RDRAND) != 0;
    if (!defined) return raise(x86::Vector::UD);
    if (vmcs_->secondary().has(seed ? SecondaryControls::RDSEED_EXITING
                                    : SecondaryControls::RDRAND_EXITING)) {
        exit_.instruction_information = instruction_information(instruction);
        return exit_for(instruction, seed ? x86::ExitReason::RDSEED : x86::ExitReason::RDRAND);
    }
    write_gpr(instruction.gpr, instruction.operand_size, parts_.root.random.next());
    const uint64_t flags = engine().rflags() & ~x86::rflags::kArithmetic;
    engine().edit_state().set_rflags(flags | x86::rflags::CF);
    complete(instruction);
    return Next::Run;
}

}  // namespace vtless::sim
