// SPDX-License-Identifier: MIT
// What each instruction that the engine stops before does in non-root operation: one table.
// SDM Vol. 3C "Instructions That Cause VM Exits" (26.1), with the priority of faults over exits (26.1.1).
#include <array>

#include "isa/x86/control_regs.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/descriptor_tables.h"
#include "sim/cpu/far_transfer.h"
#include "sim/cpu/fast_calls.h"
#include "sim/cpu/iret.h"
#include "sim/cpu/software_interrupt.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"
#include "sim/vmx/tsc_scaling.h"

namespace vtless::sim {

using x86::EventType;
using x86::ExitReason;
using x86::PinControls;
using x86::PrimaryControls;
using x86::SecondaryControls;
using x86::Vector;
using Next = NonRoot::Next;

namespace {

// Which fault comes before anything else, the exit included.
enum class Guard : uint8_t {
    None,
    Cpl0,             // #GP(0) at CPL > 0
    Cpl0OrUndefined,  // #UD at CPL > 0
    TimeStamp,        // #GP(0) at CPL > 0 with CR4.TSD
    Counters,         // #GP(0) at CPL > 0 without CR4.PCE
    Xsave,            // #UD without CR4.OSXSAVE, #GP(0) at CPL > 0
    Vmx,              // #UD in real, virtual-8086 and compatibility mode
    Umip,             // #GP(0) at CPL > 0 with CR4.UMIP
    System,           // #UD in real and virtual-8086 mode, #GP(0) at CPL > 0
    SystemStore,      // #UD in real and virtual-8086 mode, #GP(0) at CPL > 0 with CR4.UMIP
};

bool real_or_v8086(const CpuState& cpu) { return !cpu.protected_mode() || cpu.v8086(); }

// Guards that ask for nothing more: most instructions are met there, and the CPL is cheaper than the state.
bool passes_at_cpl0(Guard guard) {
    return guard == Guard::Cpl0 || guard == Guard::Cpl0OrUndefined || guard == Guard::TimeStamp ||
           guard == Guard::Counters || guard == Guard::Umip;
}

std::optional<Event> guard_fault(Guard guard, const CpuState& cpu) {
    const auto gp = Event::exception(Vector::GP, 0);
    const auto ud = Event::exception(Vector::UD);
    const auto unless = [](bool holds, const Event& event) {
        return holds ? std::nullopt : std::optional<Event>(event);
    };
    const bool privileged = cpu.cpl() == 0;
    const bool umip = !privileged && (cpu.cr4() & x86::cr4::UMIP) != 0;
    switch (guard) {
        case Guard::None:
            return std::nullopt;
        case Guard::Cpl0:
            return unless(privileged, gp);
        case Guard::Cpl0OrUndefined:
            return unless(privileged, ud);
        case Guard::TimeStamp:
            return unless(privileged || (cpu.cr4() & x86::cr4::TSD) == 0, gp);
        case Guard::Counters:
            return unless(privileged || (cpu.cr4() & x86::cr4::PCE) != 0, gp);
        case Guard::Xsave:
            return (cpu.cr4() & x86::cr4::OSXSAVE) == 0 ? std::optional(ud) : unless(privileged, gp);
        case Guard::Vmx:
            return unless(!real_or_v8086(cpu) && (!cpu.ia32e() || cpu.code64()), ud);
        case Guard::Umip:
            return unless(!umip, gp);
        case Guard::System:
            return real_or_v8086(cpu) ? std::optional(ud) : unless(privileged, gp);
        case Guard::SystemStore:
            return real_or_v8086(cpu) ? std::optional(ud) : unless(!umip, gp);
    }
    return std::nullopt;
}

// When the instruction exits.
enum class Exits : uint8_t { Never, Always, Primary, Secondary };

// What the exit reports besides reason and length.
enum class Report : uint8_t { Nothing, Operand };

}  // namespace

struct InstructionRule {
    Guard guard = Guard::None;
    Exits exits = Exits::Never;
    uint32_t control = 0;  // bits of the primary or secondary controls
    ExitReason reason{};
    NonRoot::Handler handler = nullptr;  // when it does not exit
    Report report = Report::Nothing;
};

struct InstructionRules {
    static constexpr size_t kCount = static_cast<size_t>(Instruction::UNDEFINED) + 1;
    std::array<InstructionRule, kCount> rules{};

    constexpr InstructionRule& operator[](Instruction id) { return rules[static_cast<size_t>(id)]; }
    constexpr const InstructionRule& operator[](Instruction id) const {
        return rules[static_cast<size_t>(id)];
    }

    static constexpr InstructionRule always(Guard guard, ExitReason reason, Report report = Report::Nothing) {
        return {guard, Exits::Always, 0, reason, nullptr, report};
    }
    static constexpr InstructionRule primary(Guard guard, uint32_t control, ExitReason reason,
                                             NonRoot::Handler handler) {
        return {guard, Exits::Primary, control, reason, handler, Report::Nothing};
    }
    static constexpr InstructionRule never(Guard guard, NonRoot::Handler handler) {
        return {guard, Exits::Never, 0, {}, handler, Report::Nothing};
    }
    static constexpr InstructionRule table(Guard guard, ExitReason reason) {
        return {guard,  Exits::Secondary, SecondaryControls::DESCRIPTOR_TABLE_EXITING,
                reason, &NonRoot::system, Report::Operand};
    }

    static constexpr InstructionRules build() {
        using I = Instruction;
        using P = PrimaryControls;
        using N = NonRoot;
        InstructionRules r;
        for (InstructionRule& rule : r.rules) rule = never(Guard::None, &N::undefined);
        r[I::CPUID] = always(Guard::None, ExitReason::CPUID);
        r[I::HLT] = primary(Guard::Cpl0, P::HLT_EXITING, ExitReason::HLT, &N::hlt);
        r[I::RDTSC] = primary(Guard::TimeStamp, P::RDTSC_EXITING, ExitReason::RDTSC, &N::rdtsc);
        r[I::RDTSCP] = never(Guard::None, &N::rdtscp);
        r[I::RDPMC] = primary(Guard::Counters, P::RDPMC_EXITING, ExitReason::RDPMC, &N::general_protection);
        r[I::RDMSR] = never(Guard::Cpl0, &N::rdmsr);
        r[I::WRMSR] = never(Guard::Cpl0, &N::wrmsr);
        r[I::XSETBV] = always(Guard::Xsave, ExitReason::XSETBV);
        r[I::XGETBV_NONZERO] = never(Guard::None, &N::general_protection);
        r[I::MOV_TO_CR] = never(Guard::Cpl0, &N::mov_to_cr);
        r[I::MOV_FROM_CR] = never(Guard::Cpl0, &N::mov_from_cr);
        r[I::CLTS] = never(Guard::Cpl0, &N::clts);
        r[I::LMSW] = never(Guard::Cpl0, &N::lmsw);
        r[I::SMSW] = never(Guard::Umip, &N::smsw);
        r[I::MOV_TO_DR] = r[I::MOV_FROM_DR] = never(Guard::None, &N::mov_dr);
        r[I::IN] = r[I::OUT] = r[I::INS] = r[I::OUTS] = never(Guard::None, &N::io);
        r[I::INT_N] = r[I::INT3] = r[I::INTO] = r[I::INT1] = never(Guard::None, &N::software_event);
        r[I::SGDT] = r[I::SIDT] = table(Guard::Umip, ExitReason::GDTR_IDTR_ACCESS);
        r[I::LGDT] = r[I::LIDT] = table(Guard::Cpl0, ExitReason::GDTR_IDTR_ACCESS);
        r[I::SLDT] = r[I::STR] = table(Guard::SystemStore, ExitReason::LDTR_TR_ACCESS);
        r[I::LLDT] = r[I::LTR] = table(Guard::System, ExitReason::LDTR_TR_ACCESS);
        r[I::INVD] = always(Guard::Cpl0, ExitReason::INVD);
        r[I::WBINVD] = {Guard::Cpl0,        Exits::Secondary, SecondaryControls::WBINVD_EXITING,
                        ExitReason::WBINVD, &N::nothing,      Report::Nothing};
        r[I::INVLPG] = never(Guard::Cpl0, &N::invlpg);
        r[I::MONITOR] = never(Guard::Cpl0OrUndefined, &N::monitor);
        r[I::MWAIT] = never(Guard::Cpl0OrUndefined, &N::mwait);
        r[I::PAUSE] = primary(Guard::None, P::PAUSE_EXITING, ExitReason::PAUSE, &N::pause);
        r[I::RDRAND] = r[I::RDSEED] = never(Guard::None, &N::random);
        r[I::SYSCALL] = r[I::SYSRET] = r[I::SYSENTER] = r[I::SYSEXIT] = never(Guard::None, &N::system);
        r[I::FAR_JMP_SYSTEM] = r[I::FAR_CALL_SYSTEM] = never(Guard::None, &N::system);
        r[I::IRET] = never(Guard::None, &N::iret);
        r[I::VMCALL] = always(Guard::None, ExitReason::VMCALL);
        r[I::VMCLEAR] = always(Guard::Vmx, ExitReason::VMCLEAR, Report::Operand);
        r[I::VMLAUNCH] = always(Guard::Vmx, ExitReason::VMLAUNCH);
        r[I::VMPTRLD] = always(Guard::Vmx, ExitReason::VMPTRLD, Report::Operand);
        r[I::VMPTRST] = always(Guard::Vmx, ExitReason::VMPTRST, Report::Operand);
        r[I::VMREAD] = r[I::VMWRITE] = never(Guard::Vmx, &N::access_vmcs);
        r[I::VMRESUME] = always(Guard::Vmx, ExitReason::VMRESUME);
        r[I::VMXOFF] = always(Guard::Vmx, ExitReason::VMXOFF);
        r[I::VMXON] = always(Guard::Vmx, ExitReason::VMXON, Report::Operand);
        r[I::INVEPT] = always(Guard::Vmx, ExitReason::INVEPT, Report::Operand);
        r[I::VMFUNC] = never(Guard::None, &N::vmfunc);
        r[I::INVVPID] = always(Guard::Vmx, ExitReason::INVVPID, Report::Operand);
        return r;
    }
};

namespace {

constexpr InstructionRules kRules = InstructionRules::build();

bool exits(const InstructionRule& rule, const Vmcs& vmcs) {
    switch (rule.exits) {
        case Exits::Never:
            return false;
        case Exits::Always:
            return true;
        case Exits::Primary:
            return vmcs.primary().has(rule.control);
        case Exits::Secondary:
            return vmcs.secondary().has(rule.control);
    }
    return false;
}

}  // namespace

Next NonRoot::on_instruction(const StoppedInstruction& instruction) {
    const InstructionRule& rule = kRules[instruction.id];
    if (rule.guard != Guard::None && !(passes_at_cpl0(rule.guard) && engine().cpl() == 0)) {
        if (const auto fault = guard_fault(rule.guard, cpu())) return raise(*fault);
    }
    if (!exits(rule, *vmcs_)) return (this->*rule.handler)(instruction);
    if (rule.report == Report::Nothing) [[likely]]
        return exit_for(instruction, rule.reason);
    exit_.instruction_information = instruction_information(instruction);
    return exit_for(instruction, rule.reason, displacement_qualification(cpu(), instruction));
}

// Within 64 KiB nothing wraps, whatever the code size.
uint64_t NonRoot::next_rip(unsigned length) const {
    const uint64_t rip = engine().rip();
    return ((rip ^ (rip + length)) >> 16) == 0 ? rip + length : cpu().next_rip(length);
}

void NonRoot::complete(const StoppedInstruction& instruction) {
    engine().set_rip(next_rip(instruction.length));
    end_iteration();
}

void NonRoot::complete_timed(const StoppedInstruction& instruction) {
    engine().set_rip(next_rip(instruction.length));
    if (engine().shadow() != Shadow::None) engine().set_shadow(Shadow::None);
    note_trap();
    engine().retire_timed();
}

// Of a REP instruction: each is traced and interrupted like an instruction of its own.
void NonRoot::end_iteration() {
    if (engine().shadow() != Shadow::None) engine().set_shadow(Shadow::None);
    retire();
}

void NonRoot::retire() {
    note_trap();
    engine().retire();
}

void NonRoot::note_trap() {
    if ((engine().rflags() & x86::rflags::TF) != 0) state_.pending_debug |= x86::pending_debug::BS;
}

// After a whole instruction of sim/cpu, which has moved RIP if it was done.
Next NonRoot::finish(const StoppedInstruction& instruction, const CpuResult& result) {
    switch (result.kind) {
        case CpuResult::Kind::Done:
            retire();
            return Next::Run;
        case CpuResult::Kind::Fault:
            return raise(result.event, result.cr2);
        case CpuResult::Kind::MmuExit:
            return exit_for_mmu(result.mmu);
        case CpuResult::Kind::TaskSwitch:
            return exit_for_task_switch(instruction, result.task);
    }
    return Next::Run;
}

// After a part of an instruction: RIP is still to be moved.
Next NonRoot::finish_moved(const StoppedInstruction& instruction, const CpuResult& result) {
    if (!result.done()) return finish(instruction, result);
    complete(instruction);
    return Next::Run;
}

Next NonRoot::exit_for_task_switch(const StoppedInstruction& instruction, uint16_t tss) {
    using x86::TaskSwitchSource;
    const auto source = instruction.id == Instruction::IRET              ? TaskSwitchSource::IRET
                        : instruction.id == Instruction::FAR_CALL_SYSTEM ? TaskSwitchSource::CALL
                                                                         : TaskSwitchSource::JMP;
    return exit_for(instruction, ExitReason::TASK_SWITCH, x86::TaskSwitchQualification{tss, source}.encode());
}

Next NonRoot::nothing(const StoppedInstruction& instruction) {
    complete(instruction);
    return Next::Run;
}

Next NonRoot::undefined(const StoppedInstruction&) { return raise(Vector::UD); }

Next NonRoot::general_protection(const StoppedInstruction&) { return raise_gp(); }

Next NonRoot::hlt(const StoppedInstruction& instruction) {
    complete(instruction);
    state_.activity = x86::ActivityState::HLT;
    return Next::Run;
}

// Scaling is a part of offsetting, and comes first. SDM Vol. 3C "Changes to Instruction Behavior in VMX
// Non-Root Operation" (26.3).
bool NonRoot::scales_tsc() const {
    return vmcs_->primary().has(PrimaryControls::USE_TSC_OFFSETTING) &&
           vmcs_->secondary().has(SecondaryControls::USE_TSC_SCALING);
}

uint64_t NonRoot::guest_tsc() const {
    const uint64_t tsc = parts_.msrs.tsc();
    if (!vmcs_->primary().has(PrimaryControls::USE_TSC_OFFSETTING)) return tsc;
    const uint64_t offset = vmcs_->get(x86::VmcsField::TSC_OFFSET);
    if (!scales_tsc()) return tsc + offset;
    return scaled_tsc(tsc, vmcs_->get(x86::VmcsField::TSC_MULTIPLIER)) + offset;
}

Next NonRoot::rdtsc(const StoppedInstruction& instruction) {
    set_edx_eax(guest_tsc());
    complete(instruction);
    return Next::Run;
}

// Without its control RDTSCP is #UD, before any other check. SDM Vol. 3C 26.3.
Next NonRoot::rdtscp(const StoppedInstruction& instruction) {
    if (!vmcs_->secondary().has(SecondaryControls::ENABLE_RDTSCP)) return raise(Vector::UD);
    if (engine().cpl() != 0) {
        if (const auto fault = guard_fault(Guard::TimeStamp, cpu())) return raise(*fault);
    }
    if (vmcs_->primary().has(PrimaryControls::RDTSC_EXITING))
        return exit_for(instruction, ExitReason::RDTSCP);
    write_gpr(x86::Gpr::RCX, 4, engine().tsc_aux());
    return rdtsc(instruction);
}

// Always done here: the engine's own loads a non-canonical RIP before it faults, and switches tasks by
// itself. It ends NMI blocking even if it faults (SDM Vol. 3A "Handling Multiple NMIs", 6.7.1), but not with
// NMI exiting and without virtual NMIs (SDM Vol. 3C 26.3).
Next NonRoot::iret(const StoppedInstruction& instruction) {
    const x86::PinControls pin = vmcs_->pin();
    const bool unblocks = pin.has(PinControls::VIRTUAL_NMIS) || !pin.has(PinControls::NMI_EXITING);
    iret_unblocked_nmi_ = unblocks && parts_.guest.nmi_blocked();
    if (iret_unblocked_nmi_) parts_.guest.set_nmi_blocked(false);
    const CpuResult result = sim::iret(engine().edit_state(), parts_.mmu, instruction.operand_size);
    if (result.done()) {
        engine().retire();
        keep_resume_flag();
        iret_unblocked_nmi_ = false;
        return Next::Run;
    }
    const Next next = finish(instruction, result);
    iret_unblocked_nmi_ = false;
    return next;
}

// Of what IRET has popped.
void NonRoot::keep_resume_flag() {
    const uint64_t flags = engine().rflags();
    if ((flags & x86::rflags::RF) == 0) return;
    engine().edit_state().set_rflags(flags & ~x86::rflags::RF);
    parts_.guest.set_resume_flag(true);
}

Next NonRoot::invlpg(const StoppedInstruction& instruction) {
    const Gva address = operand_address(cpu(), instruction);
    if (vmcs_->primary().has(PrimaryControls::INVLPG_EXITING))
        return exit_for(instruction, ExitReason::INVLPG, address.value());
    parts_.mmu.flush_page(address);
    complete(instruction);
    return Next::Run;
}

// Those of sim/cpu that never exit, and descriptor tables without their control.
Next NonRoot::system(const StoppedInstruction& instruction) {
    CpuState& state = engine().edit_state();
    switch (instruction.id) {
        case Instruction::SYSCALL:
            return finish(instruction, syscall(state, instruction.length));
        case Instruction::SYSENTER:
            return finish(instruction, sysenter(state));
        case Instruction::SYSRET:
            return finish(instruction, sysret(state, parts_.mmu, instruction.operand_size));
        case Instruction::SYSEXIT:
            return finish(instruction, sysexit(state, parts_.mmu, instruction.operand_size));
        case Instruction::FAR_JMP_SYSTEM:
            return finish(instruction, far_transfer(state, parts_.mmu, instruction, FarTransfer::Jmp));
        case Instruction::FAR_CALL_SYSTEM:
            return finish(instruction, far_transfer(state, parts_.mmu, instruction, FarTransfer::Call));
        default:
            return finish(instruction, access_descriptor_table(state, parts_.mmu, instruction));
    }
}

// INT n, INT3, INTO and INT1.
Next NonRoot::software_event(const StoppedInstruction& instruction) {
    const SoftwareInterrupt interrupt = software_interrupt(engine().edit_state(), instruction);
    if (interrupt.raised) return raise(interrupt.event);
    retire();
    return Next::Run;
}

}  // namespace vtless::sim
