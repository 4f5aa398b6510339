// SPDX-License-Identifier: MIT
// Instructions on device memory, taken apart into one read, one write, or a read and then a write.
#pragma once

#include "vcpu/vmx/alu.h"
#include "vcpu/vmx/operand.h"

namespace vtless::vmx {

namespace mmio_detail {

using x86::MemoryInstruction;
using x86::MemoryOp;
using x86::OperandForm;

template <class Hw>
uint64_t read_register(Core<Hw>& core, const MemoryInstruction& instruction) {
    const uint64_t value = core.gpr(instruction.gpr);
    return low_bytes(instruction.high_byte ? value >> 8 : value, instruction.register_bytes);
}
template <class Hw>
void write_register(Core<Hw>& core, const MemoryInstruction& instruction, uint64_t value) {
    const uint64_t old = core.gpr(instruction.gpr);
    core.set_gpr(instruction.gpr, merge_gpr(old, value, instruction.register_bytes, instruction.high_byte));
}

// The operand that is not the memory.
template <class Hw>
uint64_t source_operand(Core<Hw>& core, const MemoryInstruction& instruction) {
    if (instruction.form == OperandForm::MEMORY) return 0;
    return instruction.form == OperandForm::MEMORY_IMMEDIATE ? instruction.immediate
                                                             : read_register(core, instruction);
}

template <class Hw>
LinearAddress operand_address(Core<Hw>& core, const MemoryInstruction& instruction,
                              const x86::MemoryOperand& operand, bool write) {
    const uint64_t next_rip = core.vmcs.read(x86::VmcsField::GUEST_RIP) + instruction.length;
    const auto gpr = [&core](x86::Gpr index) { return core.gpr(index); };
    const uint64_t offset = x86::effective_address(operand, next_rip, gpr);
    return linear_address(core, SegmentAccess{operand.segment, offset, instruction.memory_bytes, write});
}

// Loads and the like have no effect but on registers: complete before they are returned.
constexpr bool is_plain_load(const MemoryInstruction& instruction) {
    return instruction.form == OperandForm::REGISTER_MEMORY &&
           (instruction.op == MemoryOp::MOV || instruction.op == MemoryOp::MOVZX ||
            instruction.op == MemoryOp::MOVSX);
}
constexpr bool is_plain_store(const MemoryInstruction& instruction) {
    return instruction.op == MemoryOp::MOV && instruction.form != OperandForm::REGISTER_MEMORY;
}

// Forms whose address is not that of their operand, or that compare two memories.
constexpr bool is_supported(const MemoryInstruction& instruction) {
    const bool bit_string = instruction.op >= MemoryOp::BT && instruction.op <= MemoryOp::BTC &&
                            instruction.form == OperandForm::MEMORY_REGISTER;
    const unsigned bytes = instruction.memory_bytes;
    const bool sized = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    return sized && !bit_string && instruction.op != MemoryOp::CMPS;
}

template <class Hw>
void finish_string(Core<Hw>& core, const MemoryInstruction& instruction, bool stop = false) {
    const unsigned address_bytes = instruction.memory.address_bytes;
    const unsigned size = instruction.memory_bytes;
    if (instruction.op == MemoryOp::LODS || instruction.op == MemoryOp::MOVS)
        step_index(core, x86::Gpr::RSI, size, address_bytes);
    if (instruction.op != MemoryOp::LODS) step_index(core, x86::Gpr::RDI, size, address_bytes);
    const bool repeat = instruction.repeat != x86::Repeat::NONE;
    finish_element(core, {repeat, address_bytes, instruction.length, stop});
}

template <class Hw>
VmExit read_exit(Core<Hw>& core, const MemoryInstruction& instruction, Gpa gpa) {
    core.pending = {Pending::Kind::Mmio, instruction.memory_bytes, false, 0, gpa, 0, instruction};
    const unsigned register_bytes = instruction.register_bytes != 0 ? instruction.register_bytes : 1u;
    return VmExit::MmioRead{gpa, static_cast<AccessWidth>(instruction.memory_bytes),
                            static_cast<AccessWidth>(register_bytes), instruction.op == MemoryOp::MOVSX,
                            static_cast<uint64_t>(instruction.gpr)};
}

inline uint64_t little_endian(std::span<const uint8_t> bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{bytes[i]} << (8 * i);
    return value;
}

// MOVS with the device at its source: the destination must take the element before the device is read. It may
// be device memory as well.
template <class Hw>
Result<VmExit> start_move_from(Core<Hw>& core, const MemoryInstruction& instruction, Gpa gpa) {
    GuestMemory<Hw> memory(core);
    const LinearAddress to = operand_address(core, instruction, x86::string_destination(instruction), true);
    if (to.fault) {
        core.inject(*to.fault);
        return VmExit::Nothing{};
    }
    const Located where =
        memory.probe(Gva(to.address), instruction.memory_bytes, {AccessKind::Write, memory.user(), false});
    const bool device =
        where.end == Located::End::NestedFault && is_device(core, where.gpa, instruction.memory_bytes);
    if (!where.ok() && !device) return cannot_access(core, where, AccessKind::Write);
    return read_exit(core, instruction, gpa);
}

// MOVS with the device at its destination.
template <class Hw>
Result<VmExit> start_move_to(Core<Hw>& core, const MemoryInstruction& instruction, Gpa gpa, Gva source) {
    GuestMemory<Hw> memory(core);
    std::array<uint8_t, 8> bytes{};
    const std::span element(bytes.data(), instruction.memory_bytes);
    const Located where = memory.read(source, element, {AccessKind::Read, memory.user(), true});
    if (!where.ok()) return cannot_access(core, where, AccessKind::Read);
    finish_string(core, instruction);
    return VmExit::MmioWrite{gpa, static_cast<AccessWidth>(element.size()), little_endian(element)};
}

}  // namespace mmio_detail

// Whether the bytes lie in one of the ranges that the embedder emulates.
template <class Hw>
bool is_device(const Core<Hw>& core, Gpa gpa, uint64_t bytes) {
    for (const MmioRange& range : core.config.mmio)
        if (range.contains(gpa, bytes)) return true;
    return core.is_apic_page(gpa);
}

// Which operand an exit is about, as far as it says: of an APIC access the offset in the page and, of MOVS,
// whether it is the one that is stored to. SDM Vol. 3C "Basic VM-Exit Information" (28.2.1).
struct AccessedOperand {
    uint64_t address = 0;  // linear
    bool offset_only = false;
    bool stored = false;

    constexpr bool is_at(uint64_t linear) const { return (offset_only ? linear & 0xfff : linear) == address; }
};

// The instruction at RIP touched device memory at gpa. Empty when it is not one that can be taken apart
// exactly: not decoded, or reaching across the page. Else MmioRead, MmioWrite, or, when its other operand
// faults, what that asks for.
template <class Hw>
std::optional<Result<VmExit>> start_mmio(Core<Hw>& core, Gpa gpa, const AccessedOperand& accessed) {
    using namespace mmio_detail;
    GuestMemory<Hw> memory(core);
    const auto decoded = decode_at_rip(core, memory);
    if (!decoded || !is_supported(*decoded)) return std::nullopt;
    const MemoryInstruction& instruction = *decoded;
    if (gpa.page_offset() + instruction.memory_bytes > 0x1000) return std::nullopt;
    const bool moves = instruction.op == MemoryOp::MOVS;
    const bool writes = x86::writes_memory(instruction) && !moves;
    const uint64_t address = operand_address(core, instruction, instruction.memory, writes).address;
    if (moves && (!accessed.is_at(address) || accessed.stored)) {
        const auto to = operand_address(core, instruction, x86::string_destination(instruction), true);
        if (!accessed.is_at(to.address)) return std::nullopt;
        return start_move_to(core, instruction, gpa, Gva(address));
    }
    if (!accessed.is_at(address)) return std::nullopt;
    if (moves) return start_move_from(core, instruction, gpa);
    if (is_plain_store(instruction)) {
        const uint64_t data = low_bytes(source_operand(core, instruction), instruction.memory_bytes);
        core.advance_rip(instruction.length);
        return Result<VmExit>(
            VmExit::MmioWrite{gpa, static_cast<AccessWidth>(instruction.memory_bytes), data});
    }
    if (instruction.op == MemoryOp::STOS) {
        const uint64_t data = low_bytes(core.gpr(x86::Gpr::RAX), instruction.memory_bytes);
        finish_string(core, instruction);
        return Result<VmExit>(
            VmExit::MmioWrite{gpa, static_cast<AccessWidth>(instruction.memory_bytes), data});
    }
    if (is_plain_load(instruction)) core.advance_rip(instruction.length);
    return Result<VmExit>(read_exit(core, instruction, gpa));
}

// The write that a completed read-modify-write still has to make, if any: run() returns it before it enters.
template <class Hw>
VmExit follow_up(Core<Hw>& core) {
    const Pending pending = core.pending;
    core.pending.kind = Pending::Kind::None;
    return VmExit::MmioWrite{pending.gpa, static_cast<AccessWidth>(pending.bytes), pending.value};
}

namespace mmio_detail {

template <class Hw>
void write_later(Core<Hw>& core, Gpa gpa, unsigned bytes, uint64_t value) {
    core.pending = {
        Pending::Kind::MmioWrite, static_cast<uint8_t>(bytes), true, 0, gpa, low_bytes(value, bytes), {}};
}

template <class Hw>
void finish_move(Core<Hw>& core, const MemoryInstruction& instruction, uint64_t value) {
    const LinearAddress to = operand_address(core, instruction, x86::string_destination(instruction), true);
    std::array<uint8_t, 8> bytes{};
    for (unsigned i = 0; i < instruction.memory_bytes; ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
    GuestMemory<Hw> memory(core);
    const std::span<const uint8_t> element(bytes.data(), instruction.memory_bytes);
    const Located where = memory.write(Gva(to.address), element, {AccessKind::Write, memory.user(), true});
    if (!where.ok() && !is_device(core, where.gpa, element.size())) return;  // changed since: executes again
    if (!where.ok()) write_later(core, where.gpa, instruction.memory_bytes, value);
    finish_string(core, instruction);
}

template <class Hw>
void finish_scan(Core<Hw>& core, const MemoryInstruction& instruction, uint64_t value) {
    const uint64_t flags = core.vmcs.read(x86::VmcsField::GUEST_RFLAGS);
    const uint64_t accumulator = low_bytes(core.gpr(x86::Gpr::RAX), instruction.memory_bytes);
    const AluResult compared = alu(MemoryOp::SCAS, instruction.memory_bytes, accumulator, value, flags);
    core.vmcs.write(x86::VmcsField::GUEST_RFLAGS, compared.flags);
    const bool equal = (compared.flags & x86::rflags::ZF) != 0;
    finish_string(core, instruction, (instruction.repeat == x86::Repeat::REPE) != equal);
}

template <class Hw>
void finish_compare_exchange(Core<Hw>& core, const MemoryInstruction& instruction, Gpa gpa, uint64_t value) {
    const unsigned bytes = instruction.memory_bytes;
    const uint64_t flags = core.vmcs.read(x86::VmcsField::GUEST_RFLAGS);
    const uint64_t rax = core.gpr(x86::Gpr::RAX);
    const AluResult compared = alu(MemoryOp::CMPXCHG, bytes, low_bytes(rax, bytes), value, flags);
    const bool equal = (compared.flags & x86::rflags::ZF) != 0;
    write_later(core, gpa, bytes, equal ? read_register(core, instruction) : value);
    if (!equal) core.set_gpr(x86::Gpr::RAX, merge_gpr(rax, value, bytes));
    core.vmcs.write(x86::VmcsField::GUEST_RFLAGS, compared.flags);
    core.advance_rip(instruction.length);
}

template <class Hw>
void finish_arithmetic(Core<Hw>& core, const MemoryInstruction& instruction, Gpa gpa, uint64_t value) {
    const unsigned bytes = instruction.memory_bytes;
    const bool into_register = instruction.form == OperandForm::REGISTER_MEMORY;
    const uint64_t other = source_operand(core, instruction);
    const uint64_t flags = core.vmcs.read(x86::VmcsField::GUEST_RFLAGS);
    const AluResult result = into_register ? alu(instruction.op, bytes, other, value, flags)
                                           : alu(instruction.op, bytes, value, other, flags);
    const bool exchanges = instruction.op == MemoryOp::XADD || instruction.op == MemoryOp::XCHG;
    if (exchanges) write_register(core, instruction, value);
    const bool compares = instruction.op == MemoryOp::CMP || instruction.op == MemoryOp::TEST;
    if (into_register && !exchanges && !compares) write_register(core, instruction, result.value);
    if (x86::writes_memory(instruction)) write_later(core, gpa, bytes, result.value);
    core.vmcs.write(x86::VmcsField::GUEST_RFLAGS, result.flags);
    core.advance_rip(instruction.length);
}

}  // namespace mmio_detail

// What the device said.
template <class Hw>
Result<void> complete_mmio(Core<Hw>& core, uint64_t value) {
    using namespace mmio_detail;
    if (core.pending.kind != Pending::Kind::Mmio)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    const MemoryInstruction instruction = core.pending.instruction;
    const Gpa gpa = core.pending.gpa;
    core.pending.kind = Pending::Kind::None;
    value = low_bytes(value, instruction.memory_bytes);
    if (is_plain_load(instruction)) {
        const bool extend = instruction.op == MemoryOp::MOVSX;
        write_register(core, instruction, extend ? sign_extend(value, instruction.memory_bytes * 8u) : value);
    } else if (instruction.op == MemoryOp::LODS) {
        core.set_gpr(x86::Gpr::RAX, merge_gpr(core.gpr(x86::Gpr::RAX), value, instruction.memory_bytes));
        finish_string(core, instruction);
    } else if (instruction.op == MemoryOp::MOVS) {
        finish_move(core, instruction, value);
    } else if (instruction.op == MemoryOp::SCAS) {
        finish_scan(core, instruction, value);
    } else if (instruction.op == MemoryOp::CMPXCHG) {
        finish_compare_exchange(core, instruction, gpa, value);
    } else {
        finish_arithmetic(core, instruction, gpa, value);
    }
    return {};
}

}  // namespace vtless::vmx
