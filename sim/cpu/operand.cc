// SPDX-License-Identifier: MIT
#include "sim/cpu/operand.h"

#include "isa/x86/rflags.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

using x86::SegmentRegister;

namespace {

CpuResult refuse(SegmentRegister segment) {
    return CpuResult::fault(segment == SegmentRegister::SS ? x86::Vector::SS : x86::Vector::GP, 0);
}

unsigned linear_bits(const CpuState& cpu) { return (cpu.cr4() & x86::cr4::LA57) != 0 ? 57 : 48; }

// SDM Vol. 3A "Type Checking" (5.5), for protected mode.
bool rights_allow(const x86::AccessRights& rights, AccessType type) {
    if (rights.unusable()) return false;
    return type == AccessType::Write ? rights.writable() : rights.readable();
}

}  // namespace

uint64_t effective_offset(const CpuState& cpu, const StoppedInstruction& instruction) {
    return x86::effective_address(instruction.memory, cpu.next_rip(instruction.length),
                                  [&cpu](x86::Gpr index) { return cpu.gpr(index); });
}

CpuResult segment_address(const CpuState& cpu, SegmentRegister segment, uint64_t offset,
                          const DataAccess& access, Gva& out) {
    if (cpu.code64()) {
        const bool has_base = segment == SegmentRegister::FS || segment == SegmentRegister::GS;
        const uint64_t address = offset + (has_base ? cpu.segment_base(segment) : 0);
        const unsigned bits = linear_bits(cpu);
        if (!is_canonical(address, bits) || !is_canonical(address + access.bytes - 1, bits))
            return refuse(segment);
        out = Gva(address);
        return CpuResult::ok();
    }
    const x86::Segment descriptor = cpu.segment(segment);
    const bool checks_type = cpu.protected_mode() && !cpu.v8086();
    if (checks_type && !rights_allow(descriptor.rights, access.type)) return refuse(segment);
    if (!within_limit(descriptor, offset, access.bytes)) {
        CpuResult result = refuse(segment);
        if (!cpu.protected_mode()) result = CpuResult::fault(static_cast<x86::Vector>(result.event.vector));
        return result;
    }
    out = Gva((descriptor.base + offset) & 0xffffffff);
    return CpuResult::ok();
}

CpuResult string_io_address(const CpuState& cpu, const StoppedInstruction& instruction, Gva& out) {
    const bool in = instruction.id == Instruction::INS;
    const uint64_t index = cpu.gpr(in ? x86::Gpr::RDI : x86::Gpr::RSI);
    const uint64_t offset = index & bit_range(instruction.memory.address_bytes * 8u - 1, 0);
    return segment_address(cpu, instruction.memory.segment, offset,
                           {in ? AccessType::Write : AccessType::Read, instruction.operand_size}, out);
}

CpuResult effective_address(const CpuState& cpu, const StoppedInstruction& instruction,
                            const DataAccess& access, Gva& out) {
    return segment_address(cpu, instruction.memory.segment, effective_offset(cpu, instruction), access, out);
}

Access explicit_access(const CpuState& cpu, AccessType type) {
    return {type, cpu.cpl() == 3, (cpu.rflags() & x86::rflags::AC) != 0, false};
}

CpuResult read_memory(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                      std::span<std::byte> bytes) {
    Gva address;
    CpuResult result = effective_address(cpu, instruction, {AccessType::Read, bytes.size()}, address);
    if (!result.done()) return result;
    return CpuResult::of(mmu.read(address, bytes, explicit_access(cpu, AccessType::Read)));
}

CpuResult write_memory(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                       std::span<const std::byte> bytes) {
    Gva address;
    CpuResult result = effective_address(cpu, instruction, {AccessType::Write, bytes.size()}, address);
    if (!result.done()) return result;
    return CpuResult::of(mmu.write(address, bytes, explicit_access(cpu, AccessType::Write)));
}

void set_gpr_sized(CpuState& cpu, x86::Gpr index, unsigned bytes, uint64_t value) {
    if (bytes == 2) {
        value = (cpu.gpr(index) & ~uint64_t{0xffff}) | (value & 0xffff);
    } else if (bytes == 4) {
        value &= 0xffffffff;
    }
    cpu.set_gpr(index, value);
}

void retire(CpuState& cpu, unsigned length) {
    cpu.set_rip(cpu.next_rip(length));
    cpu.set_rflags(cpu.rflags() & ~x86::rflags::RF);
    cpu.set_interrupt_shadow(false);
}

}  // namespace vtless::sim
