// SPDX-License-Identifier: MIT
// Control and debug registers: guest/host masks, read shadows, CR3 targets.
// SDM Vol. 3C "Instructions That Cause VM Exits Conditionally" (26.1.3), "Changes to Instruction Behavior in
// VMX Non-Root Operation" (26.3).
#include <iterator>

#include "isa/x86/control_regs.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/vmx_capability.h"
#include "sim/cpu/control_registers.h"
#include "sim/cpu/operand.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::CrAccessQualification;
using x86::CrAccessType;
using x86::ExitReason;
using x86::PrimaryControls;
using F = x86::VmcsField;
using Next = NonRoot::Next;

namespace {

uint64_t cr_qualification(const StoppedInstruction& instruction, CrAccessType type) {
    return CrAccessQualification{instruction.number, type, false, instruction.gpr, 0}.encode();
}

// What the guest reads: the shadow where the hypervisor owns the bit.
uint64_t seen(uint64_t value, uint64_t mask, uint64_t shadow) { return (value & ~mask) | (shadow & mask); }

bool is_cr3_target(const Vmcs& vmcs, uint64_t value) {
    constexpr F kTargets[] = {F::CR3_TARGET_VALUE_0, F::CR3_TARGET_VALUE_1, F::CR3_TARGET_VALUE_2,
                              F::CR3_TARGET_VALUE_3};
    const uint32_t count = vmcs.get32(F::CR3_TARGET_COUNT);
    for (uint32_t i = 0; i < count && i < std::size(kTargets); ++i) {
        if (vmcs.get(kTargets[i]) == value) return true;
    }
    return false;
}

}  // namespace

Next NonRoot::mov_to_cr(const StoppedInstruction& instruction) {
    const uint64_t value = read_gpr(instruction.gpr, instruction.operand_size);
    switch (instruction.number) {
        case 0:
            return mov_to_cr0(instruction, value);
        case 2:
            engine().edit_state().set_cr2(value);
            complete(instruction);
            return Next::Run;
        case 3:
            return mov_to_cr3(instruction, value);
        case 4:
            return mov_to_cr4(instruction, value);
        case 8:
            return mov_to_cr8(instruction, value);
        default:
            return raise(x86::Vector::UD);
    }
}

// VMX operation fixes bits; with unrestricted guest PE and PG are free. A value that it does not allow is
// #GP(0), after the exits.
Next NonRoot::mov_to_cr0(const StoppedInstruction& instruction, uint64_t value) {
    const uint64_t mask = vmcs_->get(F::CR0_GUEST_HOST_MASK);
    if (((value ^ vmcs_->get(F::CR0_READ_SHADOW)) & mask) != 0)
        return exit_for(instruction, ExitReason::CONTROL_REGISTER_ACCESS,
                        cr_qualification(instruction, CrAccessType::MOV_TO));
    return load_cr0(instruction, (cpu().cr0() & mask) | (value & ~mask));
}

Next NonRoot::load_cr0(const StoppedInstruction& instruction, uint64_t value) {
    const bool unrestricted = vmcs_->secondary().has(x86::SecondaryControls::UNRESTRICTED_GUEST);
    const uint64_t free = unrestricted ? x86::cr0::PE | x86::cr0::PG : 0;
    if (!parts_.capabilities.cr0_allowed(value | x86::cr0::ET, free)) return raise_gp();
    return finish_moved(instruction, write_cr0(engine().edit_state(), parts_.mmu, value));
}

Next NonRoot::mov_to_cr3(const StoppedInstruction& instruction, uint64_t value) {
    if (vmcs_->primary().has(PrimaryControls::CR3_LOAD_EXITING) && !is_cr3_target(*vmcs_, value))
        return exit_for(instruction, ExitReason::CONTROL_REGISTER_ACCESS,
                        cr_qualification(instruction, CrAccessType::MOV_TO));
    return finish_moved(instruction, write_cr3(engine().edit_state(), parts_.mmu, value));
}

Next NonRoot::mov_to_cr4(const StoppedInstruction& instruction, uint64_t value) {
    const uint64_t mask = vmcs_->get(F::CR4_GUEST_HOST_MASK);
    if (((value ^ vmcs_->get(F::CR4_READ_SHADOW)) & mask) != 0)
        return exit_for(instruction, ExitReason::CONTROL_REGISTER_ACCESS,
                        cr_qualification(instruction, CrAccessType::MOV_TO));
    const uint64_t next = (cpu().cr4() & mask) | (value & ~mask);
    if (!parts_.capabilities.cr4_allowed(next)) return raise_gp();
    return finish_moved(
        instruction, write_cr4(engine().edit_state(), parts_.mmu, next, parts_.capabilities.guest_features));
}

Next NonRoot::mov_to_cr8(const StoppedInstruction& instruction, uint64_t value) {
    if (vmcs_->primary().has(PrimaryControls::CR8_LOAD_EXITING))
        return exit_for(instruction, ExitReason::CONTROL_REGISTER_ACCESS,
                        cr_qualification(instruction, CrAccessType::MOV_TO));
    if ((value >> 4) != 0) return raise_gp();
    if (vmcs_->primary().has(PrimaryControls::USE_TPR_SHADOW)) return mov_to_virtual_cr8(instruction, value);
    parts_.root.cr8 = value;
    complete(instruction);
    return Next::Run;
}

Next NonRoot::mov_from_cr(const StoppedInstruction& instruction) {
    const PrimaryControls primary = vmcs_->primary();
    const bool exits = (instruction.number == 3 && primary.has(PrimaryControls::CR3_STORE_EXITING)) ||
                       (instruction.number == 8 && primary.has(PrimaryControls::CR8_STORE_EXITING));
    if (exits)
        return exit_for(instruction, ExitReason::CONTROL_REGISTER_ACCESS,
                        cr_qualification(instruction, CrAccessType::MOV_FROM));
    uint64_t value = 0;
    switch (instruction.number) {
        case 0:
            value = seen(cpu().cr0(), vmcs_->get(F::CR0_GUEST_HOST_MASK), vmcs_->get(F::CR0_READ_SHADOW));
            break;
        case 2:
            value = cpu().cr2();
            break;
        case 3:
            value = cpu().cr3();
            break;
        case 4:
            value = seen(cpu().cr4(), vmcs_->get(F::CR4_GUEST_HOST_MASK), vmcs_->get(F::CR4_READ_SHADOW));
            break;
        case 8:
            value = primary.has(PrimaryControls::USE_TPR_SHADOW) ? virtual_cr8() : parts_.root.cr8;
            break;
        default:
            return raise(x86::Vector::UD);
    }
    write_gpr(instruction.gpr, instruction.operand_size, value);
    complete(instruction);
    return Next::Run;
}

// Owned by the hypervisor: exits if the shadow says TS is set, and else does nothing.
Next NonRoot::clts(const StoppedInstruction& instruction) {
    const bool owned = (vmcs_->get(F::CR0_GUEST_HOST_MASK) & x86::cr0::TS) != 0;
    if (!owned) return load_cr0(instruction, cpu().cr0() & ~x86::cr0::TS);
    if ((vmcs_->get(F::CR0_READ_SHADOW) & x86::cr0::TS) != 0)
        return exit_for(instruction, ExitReason::CONTROL_REGISTER_ACCESS,
                        CrAccessQualification{0, CrAccessType::CLTS, false, x86::Gpr::RAX, 0}.encode());
    complete(instruction);
    return Next::Run;
}

// Loads MP, EM and TS, and can set PE but not clear it.
Next NonRoot::lmsw(const StoppedInstruction& instruction) {
    uint16_t source = 0;
    const CpuResult fetched = lmsw_source(cpu(), parts_.mmu, instruction, source);
    if (!fetched.done()) return finish(instruction, fetched);
    constexpr uint64_t kLoaded = x86::cr0::MP | x86::cr0::EM | x86::cr0::TS;
    const uint64_t mask = vmcs_->get(F::CR0_GUEST_HOST_MASK);
    const uint64_t shadow = vmcs_->get(F::CR0_READ_SHADOW);
    const bool sets_owned_pe = (mask & source & ~shadow & x86::cr0::PE) != 0;
    if (sets_owned_pe || ((source ^ shadow) & mask & kLoaded) != 0) {
        if (instruction.has_memory) exit_.guest_linear = operand_address(cpu(), instruction).value();
        return exit_for(
            instruction, ExitReason::CONTROL_REGISTER_ACCESS,
            CrAccessQualification{0, CrAccessType::LMSW, instruction.has_memory, x86::Gpr::RAX, source}
                .encode());
    }
    const uint64_t loaded = kLoaded & ~mask;
    const uint64_t set = source & x86::cr0::PE & ~mask;
    return load_cr0(instruction, (cpu().cr0() & ~loaded) | (source & loaded) | set);
}

Next NonRoot::smsw(const StoppedInstruction& instruction) {
    const uint64_t value =
        seen(cpu().cr0(), vmcs_->get(F::CR0_GUEST_HOST_MASK), vmcs_->get(F::CR0_READ_SHADOW));
    if (!instruction.has_memory) {
        write_gpr(instruction.gpr, instruction.operand_size, value);
        complete(instruction);
        return Next::Run;
    }
    const auto word = static_cast<uint16_t>(value);
    return finish_moved(instruction,
                        write_memory(cpu(), parts_.mmu, instruction, std::as_bytes(std::span(&word, 1))));
}

// Its exit comes before the #GP for privilege, the #UD of CR4.DE and the #DB of DR7.GD, unlike other exits.
// SDM Vol. 3C "Instructions That Cause VM Exits Conditionally" (26.1.3).
Next NonRoot::mov_dr(const StoppedInstruction& instruction) {
    const bool from = instruction.id == Instruction::MOV_FROM_DR;
    const unsigned number = instruction.number;
    RootState& root = parts_.root;
    const bool alias = number == 4 || number == 5;
    if (number > 7) return raise(x86::Vector::UD);
    if (vmcs_->primary().has(PrimaryControls::MOV_DR_EXITING))
        return exit_for(
            instruction, ExitReason::MOV_DR,
            x86::DrAccessQualification{static_cast<uint8_t>(number), from, instruction.gpr}.encode());
    if (engine().cpl() != 0) return raise_gp();
    if (alias && (cpu().cr4() & x86::cr4::DE) != 0) return raise(x86::Vector::UD);
    if ((root.dr7 & x86::dr7::GD) != 0) {
        Event detected = Event::exception(x86::Vector::DB);
        detected.resume_flag = true;
        return raise(detected, x86::dr6::BD);
    }
    if (from) {
        write_gpr(instruction.gpr, instruction.operand_size, root.read_dr(number));
    } else if (!root.write_dr(number, read_gpr(instruction.gpr, instruction.operand_size))) {
        return raise_gp();
    }
    complete(instruction);
    return Next::Run;
}

}  // namespace vtless::sim
