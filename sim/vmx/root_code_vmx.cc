// SPDX-License-Identifier: MIT
// VMX instructions of root code: operands, order of checks, and how the outcome reaches RFLAGS. Real,
// virtual-8086 and compatibility mode are #UD before they come here.
// SDM Vol. 3C "VMX Instruction Reference" (31), "Conventions" (31.2).
#include "isa/bits.h"
#include "isa/x86/exit_reason.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/operand.h"
#include "sim/vmx/root_code.h"

namespace vtless::sim {

using x86::Vector;
using x86::VmInstructionError;
using x86::VmxStatus;
using Kind = RootStop::Kind;
using Next = NonRoot::Next;

namespace {

template <class T>
CpuResult read_operand(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, T& value) {
    return read_memory(cpu, mmu, instruction, std::as_writable_bytes(std::span(&value, 1)));
}

}  // namespace

// All of them: #UD outside VMX operation, #GP(0) at CPL > 0, then their own rules.
RootCode::Next RootCode::vmx_instruction(const Raw& instruction) {
    if (instruction.id == Instruction::VMXON) return vmxon(instruction);
    if (instruction.id == Instruction::VMCALL) return vmcall(instruction);
    if (!processor_.operation_.check_in_operation().ok()) return raise(Vector::UD);
    if (engine().cpl() != 0) return raise_gp();
    switch (instruction.id) {
        case Instruction::VMXOFF: {
            const VmxStatus status = processor_.vmxoff();
            set_vmx_rules();
            return conclude(instruction, status);
        }
        case Instruction::VMCLEAR:
            return with_region(instruction, &VmxProcessor::vmclear);
        case Instruction::VMPTRLD:
            return with_region(instruction, &VmxProcessor::vmptrld);
        case Instruction::VMPTRST:
            return vmptrst(instruction);
        case Instruction::VMREAD:
            return vmread(instruction);
        case Instruction::VMWRITE:
            return vmwrite(instruction);
        case Instruction::INVEPT:
            return invept(instruction);
        case Instruction::INVVPID:
            return invvpid(instruction);
        case Instruction::VMLAUNCH:
        case Instruction::VMRESUME:
            return enter(instruction, instruction.id == Instruction::VMLAUNCH);
        default:
            return unsupported("an instruction that stops the engine and has no rule");
    }
}

RootCode::Next RootCode::conclude(const Raw& instruction, VmxStatus status) {
    if (status.kind() == VmxStatus::Kind::Fault) {
        return raise(status.vector() == Vector::UD ? Event::exception(Vector::UD)
                                                   : Event::exception(status.vector(), status.error_code()));
    }
    uint64_t flags = engine().rflags() & ~x86::rflags::kArithmetic;
    if (status.kind() == VmxStatus::Kind::FailInvalid) flags |= x86::rflags::CF;
    if (status.kind() == VmxStatus::Kind::FailValid) flags |= x86::rflags::ZF;
    engine().edit_state().set_rflags(flags);
    root_.complete_timed(instruction);
    return Next::Run;
}

// Without dual-monitor treatment of SMM there is nothing that it could call.
RootCode::Next RootCode::vmcall(const Raw& instruction) {
    const CpuState& cpu = engine().state();
    const bool v8086 = cpu.v8086() || (cpu.ia32e() && !cpu.code64());
    if (!processor_.operation_.on() || v8086) return raise(Vector::UD);
    if (cpu.cpl() != 0) return raise_gp();
    processor_.take(processor_.costs().vmcs_switch);
    return conclude(instruction, processor_.operation_.fail(VmInstructionError::VMCALL_IN_VMX_ROOT));
}

RootCode::Next RootCode::vmxon(const Raw& instruction) {
    if ((engine().state().cr4() & x86::cr4::VMXE) == 0) return raise(Vector::UD);
    if (engine().cpl() != 0) return raise_gp();
    if (const VmxStatus status = processor_.operation_.check_vmxon(); !status.ok())
        return conclude(instruction, status);
    const Next next = with_region(instruction, &VmxProcessor::vmxon);
    set_vmx_rules();
    return next;
}

RootCode::Next RootCode::with_region(const Raw& instruction, VmxStatus (VmxProcessor::*operation)(Hpa)) {
    uint64_t address = 0;
    const CpuResult fetched = read_operand(engine().state(), *processor_.mmu_, instruction, address);
    if (!fetched.done()) return finish(instruction, fetched);
    return conclude(instruction, (processor_.*operation)(Hpa(address)));
}

RootCode::Next RootCode::vmptrst(const Raw& instruction) {
    Hpa region;
    if (const VmxStatus status = processor_.vmptrst(region); !status.ok())
        return conclude(instruction, status);
    const uint64_t value = region.value();
    const CpuResult stored =
        write_memory(engine().state(), *processor_.mmu_, instruction, std::as_bytes(std::span(&value, 1)));
    return stored.done() ? conclude(instruction, VmxStatus::succeed()) : finish(instruction, stored);
}

RootCode::Next RootCode::vmread(const Raw& instruction) {
    const uint64_t encoding = low_bytes(engine().gpr(instruction.gpr2), word_bytes());
    const bool wide = (encoding >> 32) != 0;
    uint64_t value = 0;
    const VmxStatus status = wide ? processor_.operation_.fail(VmInstructionError::UNSUPPORTED_VMCS_COMPONENT)
                                  : processor_.vmread(static_cast<x86::VmcsField>(encoding), value);
    if (!status.ok()) return conclude(instruction, status);
    if (!instruction.has_memory) {
        engine().set_gpr(instruction.gpr, low_bytes(value, word_bytes()));
        return conclude(instruction, status);
    }
    const auto bytes = std::as_bytes(std::span(&value, 1)).first(word_bytes());
    const CpuResult stored = write_memory(engine().state(), *processor_.mmu_, instruction, bytes);
    return stored.done() ? conclude(instruction, status) : finish(instruction, stored);
}

RootCode::Next RootCode::vmwrite(const Raw& instruction) {
    uint64_t value = low_bytes(engine().gpr(instruction.gpr), word_bytes());
    if (instruction.has_memory) {
        value = 0;
        const auto bytes = std::as_writable_bytes(std::span(&value, 1)).first(word_bytes());
        const CpuResult fetched = read_memory(engine().state(), *processor_.mmu_, instruction, bytes);
        if (!fetched.done()) return finish(instruction, fetched);
    }
    const uint64_t encoding = low_bytes(engine().gpr(instruction.gpr2), word_bytes());
    if ((encoding >> 32) != 0)
        return conclude(instruction,
                        processor_.operation_.fail(VmInstructionError::UNSUPPORTED_VMCS_COMPONENT));
    return conclude(instruction, processor_.vmwrite(static_cast<x86::VmcsField>(encoding), value));
}

RootCode::Next RootCode::invept(const Raw& instruction) {
    x86::InveptDescriptor descriptor;
    const CpuResult fetched = read_operand(engine().state(), *processor_.mmu_, instruction, descriptor);
    if (!fetched.done()) return finish(instruction, fetched);
    const auto type = static_cast<x86::InveptType>(low_bytes(engine().gpr(instruction.gpr2), word_bytes()));
    return conclude(instruction, processor_.invept(type, descriptor));
}

// Bits 63:16 of the descriptor are reserved.
RootCode::Next RootCode::invvpid(const Raw& instruction) {
    std::array<uint64_t, 2> words{};
    const CpuResult fetched = read_operand(engine().state(), *processor_.mmu_, instruction, words);
    if (!fetched.done()) return finish(instruction, fetched);
    if ((words[0] >> 16) != 0)
        return conclude(instruction,
                        processor_.operation_.fail(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID));
    const auto type = static_cast<x86::InvvpidType>(low_bytes(engine().gpr(instruction.gpr2), word_bytes()));
    return conclude(instruction, processor_.invvpid(type, {static_cast<uint16_t>(words[0]), Gva(words[1])}));
}

// Afterwards the guest's registers are in its VMCS, and root operation's in the engine again; the general
// ones stay where they are.
RootCode::Next RootCode::enter(const Raw& instruction, bool launch) {
    VmxOperation& operation = processor_.operation_;
    const bool enterable = operation.current() != nullptr && !operation.current()->is_shadow();
    if (enterable && engine().shadow() == Shadow::MovSs)
        return conclude(instruction, operation.fail(VmInstructionError::ENTRY_EVENTS_BLOCKED_BY_MOV_SS));
    const VmxStatus status = processor_.enter(gprs_, launch);
    if (processor_.vmx_abort() != 0) {
        stop_.what = processor_.vmx_abort_reason();
        return stop(Kind::VmxAbort, processor_.vmx_abort());
    }
    if (!status.ok()) return conclude(instruction, status);
    Vmcs& vmcs = *operation.current();
    const x86::ExitReasonField reason{vmcs.get32(x86::VmcsField::EXIT_REASON)};
    if (!reason.entry_failure()) ++entries_;
    processor_.guest_.release(vmcs);
    load_root();
    stop_.in_guest = true;
    if (processor_.stalled()) return stop(Kind::Halted);
    if (engine().cycles() >= limit_) return stop(Kind::LimitReached);
    stop_.in_guest = false;
    return Next::Run;
}

}  // namespace vtless::sim
