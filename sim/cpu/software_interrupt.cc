// SPDX-License-Identifier: MIT
#include "sim/cpu/software_interrupt.h"

#include "isa/x86/rflags.h"
#include "sim/cpu/operand.h"

namespace vtless::sim {

using x86::EventType;
using x86::Vector;

SoftwareInterrupt software_interrupt(CpuState& cpu, const StoppedInstruction& instruction) {
    const auto raise = [&](EventType type, uint8_t vector) {
        return SoftwareInterrupt{true, Event::software(type, vector, instruction.length)};
    };
    switch (instruction.id) {
        case Instruction::INT3:
            return raise(EventType::SOFTWARE_EXCEPTION, static_cast<uint8_t>(Vector::BP));
        case Instruction::INT1:
            return raise(EventType::PRIVILEGED_SOFTWARE_EXCEPTION, static_cast<uint8_t>(Vector::DB));
        case Instruction::INTO:
            if (cpu.code64()) return {true, Event::exception(Vector::UD)};
            if ((cpu.rflags() & x86::rflags::OF) != 0)
                return raise(EventType::SOFTWARE_EXCEPTION, static_cast<uint8_t>(Vector::OF));
            retire(cpu, instruction.length);
            return {};
        default:
            // Only INT n is sensitive to IOPL in virtual-8086 mode.
            if (cpu.v8086() && x86::rflags::iopl(cpu.rflags()) < 3)
                return {true, Event::exception(Vector::GP, 0)};
            return raise(EventType::SOFTWARE_INTERRUPT, instruction.number);
    }
}

}  // namespace vtless::sim
