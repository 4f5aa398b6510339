// SPDX-License-Identifier: MIT
// IN, OUT, INS and OUTS of root code: whoever runs it accesses the ports.
#include <span>

#include "isa/bits.h"
#include "isa/check.h"
#include "sim/cpu/operand.h"
#include "sim/vmx/root_code.h"

namespace vtless::sim {

using x86::Gpr;

namespace {

bool is_string(const StoppedInstruction& instruction) {
    return instruction.id == Instruction::INS || instruction.id == Instruction::OUTS;
}

// What a write to both pages that the bytes may lie in would raise.
MmuFault check_write(Mmu& mmu, Gva at, size_t bytes, Access access) {
    Translation ignored;
    if (const MmuFault fault = mmu.translate(at, access, ignored)) return fault;
    return mmu.translate(at + (bytes - 1), access, ignored);
}

}  // namespace

RootCode::Next RootCode::port_access(const Raw& instruction) {
    stop_.in = instruction.id == Instruction::IN || instruction.id == Instruction::INS;
    stop_.bytes = instruction.operand_size;
    stop_.port =
        instruction.has_immediate ? instruction.number : static_cast<uint16_t>(engine().gpr(Gpr::RDX));
    stop_.value = static_cast<uint32_t>(low_bytes(engine().gpr(Gpr::RAX), stop_.bytes));
    if (!is_string(instruction)) return stop(RootStop::Kind::PortAccess);
    return string_access(instruction);
}

// One iteration. Its memory comes first: where that faults the port is not accessed.
RootCode::Next RootCode::string_access(const Raw& instruction) {
    const CpuState& cpu = engine().state();
    const CpuResult addressed = string_io_address(cpu, instruction, string_at_);
    if (!addressed.done()) return finish(instruction, addressed);
    const Access access = explicit_access(cpu, stop_.in ? AccessType::Write : AccessType::Read);
    stop_.value = 0;
    const std::span value = std::as_writable_bytes(std::span(&stop_.value, 1)).first(stop_.bytes);
    const MmuFault fault = stop_.in ? check_write(*processor_.mmu_, string_at_, stop_.bytes, access)
                                    : processor_.mmu_->read(string_at_, value, access);
    return fault ? finish(instruction, CpuResult::of(fault)) : stop(RootStop::Kind::PortAccess);
}

void RootCode::finish_port_access(uint32_t value) {
    const Raw instruction = engine().instruction();
    if (instruction.id == Instruction::INS) {
        const std::span bytes = std::as_bytes(std::span(&value, 1)).first(stop_.bytes);
        const Access access = explicit_access(engine().state(), AccessType::Write);
        VTLESS_CHECK(!processor_.mmu_->write(string_at_, bytes, access));
    } else if (stop_.in) {
        const uint64_t kept =
            stop_.bytes == 4 ? 0 : engine().gpr(Gpr::RAX) & ~bit_range(stop_.bytes * 8 - 1, 0);
        engine().set_gpr(Gpr::RAX, kept | low_bytes(value, stop_.bytes));
    }
    root_.finish_io(instruction);
}

}  // namespace vtless::sim
