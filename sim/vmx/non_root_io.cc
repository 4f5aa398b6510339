// SPDX-License-Identifier: MIT
// IN, OUT, INS, OUTS. SDM Vol. 3C "I/O-Bitmap Addresses" (25.6.4), "Exit qualification" table 28-5.
// A port that does not exit has no device behind it: reads give ones, writes are lost. INS and OUTS move that
// through the guest's memory, faults and all, an iteration at a time.
#include <array>

#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/io_permission.h"
#include "sim/cpu/operand.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::Gpr;
using F = x86::VmcsField;
using Next = NonRoot::Next;

// With bitmaps, an access to several ports exits if the bit of any is set, or if it wraps around.
bool NonRoot::io_exits(uint16_t port, unsigned bytes) const {
    const x86::PrimaryControls primary = vmcs_->primary();
    if (!primary.has(x86::PrimaryControls::USE_IO_BITMAPS))
        return primary.has(x86::PrimaryControls::UNCONDITIONAL_IO_EXITING);
    if (port + bytes > 0x10000) return true;
    for (unsigned at = port; at < port + bytes; ++at) {
        const Hpa bitmap = vmcs_->get_address(at < 0x8000 ? F::IO_BITMAP_A : F::IO_BITMAP_B);
        const uint8_t* base = parts_.memory.map(bitmap);
        if (base == nullptr || (base[(at & 0x7fff) / 8] >> (at % 8) & 1) != 0) return true;
    }
    return false;
}

Next NonRoot::io(const StoppedInstruction& instruction) {
    const bool in = instruction.id == Instruction::IN || instruction.id == Instruction::INS;
    const bool string = instruction.id == Instruction::INS || instruction.id == Instruction::OUTS;
    const unsigned size = instruction.operand_size;
    const auto port =
        static_cast<uint16_t>(instruction.has_immediate ? instruction.number : read_gpr(Gpr::RDX, 2));
    if (engine().cpl() != 0) [[unlikely]] {
        const CpuResult permission = check_io_permission(engine().edit_state(), parts_.mmu, port, size);
        if (!permission.done()) return finish(instruction, permission);
    }
    const bool empty = instruction.rep && read_gpr(Gpr::RCX, instruction.memory.address_bytes) == 0;
    if (!empty && io_exits(port, size)) [[likely]] {
        if (string) describe_string_io(instruction);
        const x86::IoQualification qualification{static_cast<uint8_t>(size), in,  string, instruction.rep,
                                                 instruction.has_immediate,  port};
        return exit_for(instruction, ExitReason::IO_INSTRUCTION, qualification.encode());
    }
    if (string && !empty) return string_io(instruction);
    if (in && !string) write_gpr(Gpr::RAX, size, ~uint64_t{0});
    if (empty) {
        complete(instruction);
    } else {
        finish_io(instruction);
    }
    return Next::Run;
}

// The linear address is that of the memory operand; INS cannot override ES.
void NonRoot::describe_string_io(const StoppedInstruction& instruction) {
    exit_.instruction_information = instruction_information(instruction);
    const Gpr index = instruction.id == Instruction::INS ? Gpr::RDI : Gpr::RSI;
    exit_.guest_linear =
        linear_address(cpu(), instruction.memory.segment, read_gpr(index, instruction.memory.address_bytes))
            .value();
}

Next NonRoot::string_io(const StoppedInstruction& instruction) {
    const bool in = instruction.id == Instruction::INS;
    std::array<std::byte, 4> data;
    data.fill(std::byte{0xff});
    const std::span<std::byte> bytes(data.data(), instruction.operand_size);
    Gva at;
    if (const CpuResult addressed = string_io_address(cpu(), instruction, at); !addressed.done())
        return finish(instruction, addressed);
    const Access access = explicit_access(cpu(), in ? AccessType::Write : AccessType::Read);
    const MmuFault fault = in ? parts_.mmu.write(at, bytes, access) : parts_.mmu.read(at, bytes, access);
    if (fault) return finish(instruction, CpuResult::of(fault));
    finish_io(instruction);
    return Next::Run;
}

void NonRoot::finish_io(const StoppedInstruction& instruction) {
    const auto port =
        static_cast<uint16_t>(instruction.has_immediate ? instruction.number : read_gpr(Gpr::RDX, 2));
    note_io(port, instruction.operand_size);
    const bool string = instruction.id == Instruction::INS || instruction.id == Instruction::OUTS;
    if (!string || end_string_io(instruction)) return complete(instruction);
    end_iteration();
    parts_.guest.set_resume_flag(true);  // of what comes now. SDM Vol. 3B 18.3.1.1
}

// Whether the iteration was the last one: RIP stays until the count is used up.
bool NonRoot::end_string_io(const StoppedInstruction& instruction) {
    const unsigned size = instruction.operand_size;
    const unsigned address_bytes = instruction.memory.address_bytes;
    const Gpr index = instruction.id == Instruction::INS ? Gpr::RDI : Gpr::RSI;
    const bool down = (engine().rflags() & x86::rflags::DF) != 0;
    write_gpr(index, address_bytes, read_gpr(index, 8) + (down ? 0 - uint64_t{size} : size));
    if (!instruction.rep) return true;
    const uint64_t count = read_gpr(Gpr::RCX, address_bytes) - 1;
    write_gpr(Gpr::RCX, address_bytes, count);
    return count == 0;
}

}  // namespace vtless::sim
