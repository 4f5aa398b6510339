// SPDX-License-Identifier: MIT
#include "sim/cpu/compare_exchange.h"

#include <array>
#include <cstring>

#include "isa/x86/arithmetic_flags.h"
#include "isa/x86/exception.h"
#include "sim/cpu/operand.h"

namespace vtless::sim {

namespace {

using x86::Gpr;

struct Pair {
    uint64_t low = 0, high = 0;
    friend bool operator==(const Pair&, const Pair&) = default;
};

Pair registers(const CpuState& cpu, Gpr high, Gpr low, unsigned half) {
    const uint64_t mask = half == 8 ? ~uint64_t{0} : 0xffffffff;
    return {cpu.gpr(low) & mask, cpu.gpr(high) & mask};
}

Pair from_bytes(const std::array<std::byte, 16>& bytes, unsigned half) {
    Pair pair;
    std::memcpy(&pair.low, bytes.data(), half);
    std::memcpy(&pair.high, bytes.data() + half, half);
    return pair;
}

std::array<std::byte, 16> to_bytes(const Pair& pair, unsigned half) {
    std::array<std::byte, 16> bytes{};
    std::memcpy(bytes.data(), &pair.low, half);
    std::memcpy(bytes.data() + half, &pair.high, half);
    return bytes;
}

}  // namespace

CpuResult compare_exchange(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    const unsigned half = instruction.operand_size;
    std::array<std::byte, 16> memory{};
    const std::span operand = std::span(memory).first(size_t{2} * half);
    Gva address;
    CpuResult allowed = effective_address(cpu, instruction, {AccessType::Write, operand.size()}, address);
    if (!allowed.done()) return allowed;
    if (half == 8 && address.value() % 16 != 0) return CpuResult::fault(x86::Vector::GP, 0);
    const Access access = explicit_access(cpu, AccessType::Write);
    CpuResult read = CpuResult::of(mmu.read(address, operand, access));
    if (!read.done()) return read;

    const Pair found = from_bytes(memory, half);
    const bool equal = found == registers(cpu, Gpr::RDX, Gpr::RAX, half);
    const auto stored = to_bytes(equal ? registers(cpu, Gpr::RCX, Gpr::RBX, half) : found, half);
    CpuResult written = CpuResult::of(mmu.write(address, std::span(stored).first(operand.size()), access));
    if (!written.done()) return written;
    if (!equal) {
        cpu.set_gpr(Gpr::RAX, found.low);
        cpu.set_gpr(Gpr::RDX, found.high);
    }
    const uint64_t others = cpu.rflags() & ~x86::rflags::ZF;
    cpu.set_rflags(others | (equal ? x86::rflags::ZF : 0));
    retire(cpu, instruction.length);
    return CpuResult::ok();
}

CpuResult compare_exchange_registers(CpuState& cpu, const StoppedInstruction& instruction) {
    const auto accumulator = static_cast<uint32_t>(cpu.gpr(Gpr::RAX));
    const auto destination = static_cast<uint32_t>(cpu.gpr(instruction.gpr));
    const uint32_t left = accumulator - destination;
    const uint64_t flags = x86::subtract_flags({accumulator, destination, 0, left, 32});
    if (left == 0) {
        cpu.set_gpr(instruction.gpr, static_cast<uint32_t>(cpu.gpr(instruction.gpr2)));
    } else {
        cpu.set_gpr(Gpr::RAX, destination);
    }
    cpu.set_rflags((cpu.rflags() & ~x86::rflags::kArithmetic) | flags);
    retire(cpu, instruction.length);
    return CpuResult::ok();
}

}  // namespace vtless::sim
