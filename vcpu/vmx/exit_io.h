// SPDX-License-Identifier: MIT
// I/O instructions. SDM Vol. 3C "Exit Qualification for I/O Instructions" (table 28-5), "Format of the
// VM-Exit Instruction-Information Field as Used for INS and OUTS" (table 28-8).
#pragma once

#include "isa/x86/exit_qualification.h"
#include "vcpu/vmx/operand.h"

namespace vtless::vmx {

namespace io_detail {

struct StringIo {
    x86::IoQualification io;
    unsigned address_bytes;
    x86::SegmentRegister segment;
    x86::Gpr index;
};

template <class Hw>
StringIo decode_string(Core<Hw>& core) {
    const auto io = x86::IoQualification::decode(core.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION));
    const uint32_t info = core.vmcs.read32(x86::VmcsField::VM_EXIT_INSTRUCTION_INFORMATION);
    const unsigned address_bytes = 2u << Field<9, 7, unsigned>::get(info);
    if (io.in) return {io, address_bytes, x86::SegmentRegister::ES, x86::Gpr::RDI};
    return {io, address_bytes, Field<17, 15, x86::SegmentRegister>::get(info), x86::Gpr::RSI};
}

template <class Hw>
void finish_string(Core<Hw>& core, const StringIo& string) {
    step_index(core, string.index, string.io.size, string.address_bytes);
    finish_element(core, {string.io.rep, string.address_bytes,
                          core.vmcs.read(x86::VmcsField::VM_EXIT_INSTRUCTION_LENGTH), false});
}

template <class Hw>
LinearAddress element_address(Core<Hw>& core, const StringIo& string) {
    const uint64_t offset = count_register(core, string.index, string.address_bytes);
    return linear_address(core, SegmentAccess{string.segment, offset, string.io.size, string.io.in});
}

// One element a VM exit; between two of them the guest is entered, so that it can be interrupted. The memory
// side of INS is checked before the device is read: reading may have side effects.
template <class Hw>
Result<VmExit> handle_string(Core<Hw>& core) {
    const StringIo string = decode_string(core);
    if (string.io.rep && count_register(core, x86::Gpr::RCX, string.address_bytes) == 0) {
        core.advance_rip();
        return VmExit::Nothing{};
    }
    const LinearAddress linear = element_address(core, string);
    if (linear.fault) {
        core.inject(*linear.fault);
        return VmExit::Nothing{};
    }
    const Gva gva(linear.address);
    const auto width = static_cast<AccessWidth>(string.io.size);
    GuestMemory<Hw> memory(core);
    if (string.io.in) {
        const Access access{AccessKind::Write, memory.user(), false};
        const Located where = memory.probe(gva, string.io.size, access);
        if (!where.ok()) return cannot_access(core, where, AccessKind::Write);
        core.pending.await_port(Pending::Kind::PortToMemory, string.io.size);
        return VmExit::IoRead{string.io.port, width};
    }
    std::array<uint8_t, 4> bytes{};
    const Located where =
        memory.read(gva, std::span(bytes.data(), string.io.size), {AccessKind::Read, memory.user(), true});
    if (!where.ok()) return cannot_access(core, where, AccessKind::Read);
    finish_string(core, string);
    uint64_t data = 0;
    for (unsigned i = 0; i < bytes.size(); ++i) data |= uint64_t{bytes[i]} << (8 * i);
    return VmExit::IoWrite{string.io.port, width, data};
}

inline bool is_power_off(const PowerOffPort& power_off, const x86::IoQualification& io, uint64_t data) {
    return power_off.enabled && io.size == 2 && io.port == power_off.port && data == power_off.value;
}

}  // namespace io_detail

template <class Hw>
Result<VmExit> handle_io(Core<Hw>& core) {
    const uint64_t qualification = core.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION);
    const auto io = x86::IoQualification::decode(qualification);
    if (io.size != 1 && io.size != 2 && io.size != 4) [[unlikely]]  // no instruction does this
        return VmExit::Unhandled{static_cast<uint64_t>(x86::ExitReason::IO_INSTRUCTION), qualification};
    if (io.string) [[unlikely]]
        return io_detail::handle_string(core);
    const auto width = static_cast<AccessWidth>(io.size);
    core.advance_rip();
    if (io.in) {
        core.pending.await_port(Pending::Kind::PortToRegister, io.size);
        return VmExit::IoRead{io.port, width};
    }
    const uint64_t data = low_bytes(core.gprs.get(x86::Gpr::RAX), io.size);
    if (io_detail::is_power_off(core.config.power_off, io, data)) [[unlikely]]
        return VmExit::SystemDown{};
    return VmExit::IoWrite{io.port, width, data};
}

// What the port said, into AL, AX or EAX, or through ES:rDI. Memory that has become inaccessible since the
// exit makes the instruction execute again.
template <class Hw>
Result<void> complete_io(Core<Hw>& core, uint64_t value) {
    const Pending pending = core.pending;
    core.pending.kind = Pending::Kind::None;
    if (pending.kind == Pending::Kind::PortToRegister) {
        core.gprs.set(x86::Gpr::RAX, merge_gpr(core.gprs.get(x86::Gpr::RAX), value, pending.bytes));
        return {};
    }
    if (pending.kind != Pending::Kind::PortToMemory)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    const io_detail::StringIo string = io_detail::decode_string(core);
    const LinearAddress linear = io_detail::element_address(core, string);
    std::array<uint8_t, 4> bytes{};
    for (unsigned i = 0; i < pending.bytes; ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
    GuestMemory<Hw> memory(core);
    const Access access{AccessKind::Write, memory.user(), true};
    if (memory.write(Gva(linear.address), std::span<const uint8_t>(bytes.data(), pending.bytes), access).ok())
        io_detail::finish_string(core, string);
    return {};
}

}  // namespace vtless::vmx
