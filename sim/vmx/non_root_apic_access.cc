// SPDX-License-Identifier: MIT
// Accesses to the APIC-access page. SDM Vol. 3C "Virtualizing Memory-Mapped APIC Accesses" (30.4).
#include <array>

#include "isa/x86/apic_register.h"
#include "isa/x86/decode.h"
#include "isa/x86/exit_qualification.h"
#include "sim/engine/instruction_decoder.h"
#include "sim/vmx/apic_access_rules.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"
#include "sim/vmx/virtual_apic.h"

namespace vtless::sim {

using x86::ApicAccessQualification;
using x86::ApicAccessType;
using x86::ExitReason;
using x86::MemoryInstruction;
using Next = NonRoot::Next;
namespace apic = x86::apic_register;

namespace {

x86::CodeMode code_mode(const CpuState& cpu) {
    switch (code_size(cpu)) {
        case CodeSize::Bits16:
            return x86::CodeMode::BITS16;
        case CodeSize::Bits32:
            return x86::CodeMode::BITS32;
        case CodeSize::Bits64:
            break;
    }
    return x86::CodeMode::BITS64;
}

std::optional<MemoryInstruction> decode_at_rip(const CpuState& cpu, Mmu& mmu, unsigned cpl) {
    std::array<std::byte, x86::kMaxInstructionBytes> bytes{};
    size_t fetched = 0;
    const Access access{AccessType::Fetch, cpl == 3, false, false};
    (void)mmu.fetch(Gva(cpu.linear_rip()), bytes, access, fetched);
    const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
    return x86::decode_memory_instruction({first, fetched}, code_mode(cpu));
}

Gva address_of(const CpuState& cpu, const MemoryInstruction& instruction, const x86::MemoryOperand& memory) {
    StoppedInstruction stopped;
    stopped.length = instruction.length;
    stopped.has_memory = true;
    stopped.memory = memory;
    return operand_address(cpu, stopped);
}

// A fixed, edge-triggered interrupt of vector 16 or above to the processor itself, nothing reserved.
bool is_self_ipi(uint32_t command) {
    constexpr uint32_t kReserved = 0xfff32000;
    constexpr uint32_t kDeliveryStatus = 1u << 12;
    constexpr uint32_t kLevelTriggered = 1u << 15;
    constexpr uint32_t kShorthand = 3u << 18;
    constexpr uint32_t kSelf = 1u << 18;
    constexpr uint32_t kDeliveryMode = 7u << 8;
    return (command & (kReserved | kDeliveryStatus | kLevelTriggered | kDeliveryMode)) == 0 &&
           (command & kShorthand) == kSelf && (command & 0xf0) != 0;
}

bool has_two_operands_in_memory(const MemoryInstruction& instruction) {
    return instruction.op == x86::MemoryOp::MOVS || instruction.op == x86::MemoryOp::CMPS;
}

}  // namespace

// What one instruction does to the page. Nothing where that is not known: see D26.
struct NonRoot::ApicOperand {
    unsigned offset = 0;
    unsigned bytes = 0;
    bool read = false;
    bool write = false;
};

std::optional<NonRoot::ApicOperand> NonRoot::apic_operand(const MemoryInstruction& instruction,
                                                          Gva at) const {
    using x86::MemoryOp;
    const auto offset = static_cast<unsigned>(at.page_offset());
    const unsigned bytes = instruction.memory_bytes;
    if (instruction.form != x86::OperandForm::STRING) {
        if (address_of(cpu(), instruction, instruction.memory) != at) return std::nullopt;
        return ApicOperand{offset, bytes, reads_memory(instruction), writes_memory(instruction)};
    }
    const Gva source = address_of(cpu(), instruction, instruction.memory);
    const Gva destination = address_of(cpu(), instruction, string_destination(instruction));
    const bool two = has_two_operands_in_memory(instruction);
    if (two && source.page() == destination.page()) return std::nullopt;
    const bool stores = instruction.op == MemoryOp::MOVS || instruction.op == MemoryOp::STOS;
    if ((two || instruction.op == MemoryOp::LODS) && source == at)
        return ApicOperand{offset, bytes, true, false};
    if (instruction.op == MemoryOp::LODS || destination != at) return std::nullopt;
    return ApicOperand{offset, bytes, !stores, stores};
}

Next NonRoot::on_apic_access(const MmuFault& fault) {
    const auto found = ApicAccessQualification::decode(fault.qualification);
    if (found.type != ApicAccessType::LINEAR_READ && found.type != ApicAccessType::LINEAR_WRITE)
        return exit_for_mmu(fault);
    const auto instruction = decode_at_rip(cpu(), parts_.mmu, engine().cpl());
    if (!instruction) return exit_for_mmu(fault);
    exit_.instruction_length = instruction->length;
    const auto operand = apic_operand(*instruction, fault.gva);
    if (!operand) return exit_for_mmu(fault);
    const ApicControls controls{vmcs_->primary(), vmcs_->secondary()};
    if (operand->read && !is_virtualized_read(controls, operand->offset, operand->bytes))
        return exit_for_apic_access(fault, ApicAccessType::LINEAR_READ);
    if (operand->write && !is_virtualized_write(controls, operand->offset, operand->bytes))
        return exit_for_apic_access(fault, ApicAccessType::LINEAR_WRITE);
    exit_.instruction_length = 0;
    return access_virtual_apic(*operand, fault.gva);
}

Next NonRoot::exit_for_apic_access(MmuFault fault, ApicAccessType type) {
    auto qualification = ApicAccessQualification::decode(fault.qualification);
    qualification.type = type;
    fault.qualification = qualification.encode();
    return exit_for_mmu(fault);
}

// The engine carries it out, on the other page. What stops it before its end is looked at as usual, but that
// only one operand of an instruction is virtualized.
Next NonRoot::access_virtual_apic(const ApicOperand& operand, Gva at) {
    const uint64_t before = engine().instructions();
    const Hpa page = vmcs_->get_address(x86::VmcsField::VIRTUAL_APIC_ADDRESS);
    const Stop& stop = engine().run_with_page(at.page(), page);
    if (stop.kind == Stop::Kind::ApicAccess) return exit_for_mmu(stop.fault);
    const Next next = dispatch(stop);
    const bool done = engine().instructions() != before;
    if (next == Next::Exit || !done || !operand.write) return next;
    return emulate_apic_write(operand.offset);
}

// The qualification, with what only this class knows. SDM Vol. 3C table 28-6.
uint64_t NonRoot::apic_access_qualification(const MmuFault& fault) const {
    auto qualification = ApicAccessQualification::decode(fault.qualification);
    if (!delivering_) return qualification.encode();
    const bool physical = qualification.type == ApicAccessType::PHYSICAL_FETCH_OR_EXECUTION;
    qualification.type =
        physical ? ApicAccessType::PHYSICAL_EVENT_DELIVERY : ApicAccessType::LINEAR_EVENT_DELIVERY;
    return qualification.encode();
}

// "APIC-Write Emulation" (30.4.3.2): after the instruction that has written, before anything else.
Next NonRoot::emulate_apic_write(unsigned offset) {
    const VirtualApic registers = virtual_apic();
    if (offset == apic::TPR) {
        registers.write(apic::TPR + 1, 3, 0);
        return virtualize_tpr();
    }
    if (offset >= apic::ICR_HIGH && offset < apic::ICR_HIGH + 4) {
        registers.write(apic::ICR_HIGH, 3, 0);
        return Next::Run;
    }
    if (delivers_virtual_interrupts() && offset == apic::EOI) {
        registers.write(apic::EOI, 4, 0);
        return virtualize_eoi();
    }
    if (delivers_virtual_interrupts() && offset == apic::ICR_LOW) {
        const auto command = static_cast<uint32_t>(registers.read(apic::ICR_LOW, 4));
        if (is_self_ipi(command)) return virtualize_self_ipi(static_cast<uint8_t>(command));
    }
    return exit_behind(ExitReason::APIC_WRITE, offset);
}

}  // namespace vtless::sim
