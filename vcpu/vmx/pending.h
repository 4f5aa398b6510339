// SPDX-License-Identifier: MIT
// What the exit that run() returned last still waits for.
#pragma once

#include <cstdint>

#include "isa/addr.h"
#include "isa/bits.h"
#include "isa/x86/decode.h"

namespace vtless::vmx {

// A read that the embedder completes, or the write that an emulated read-modify-write still has to make.
struct Pending {
    enum class Kind : uint8_t {
        None,
        PortToRegister,  // IN
        PortToMemory,    // one element of INS
        SysReg,          // RDMSR, WRMSR: may still fault
        Mmio,            // a read by `instruction`
        MmioWrite,       // read-modify-write: the read is complete; `value` is to be written
    };
    Kind kind = Kind::None;
    uint8_t bytes = 0;
    bool write = false;            // SysReg: WRMSR
    uint64_t instruction_rip = 0;  // SysReg: of RDMSR or WRMSR
    Gpa gpa;                       // Mmio, MmioWrite
    uint64_t value = 0;
    x86::MemoryInstruction instruction{};

    // The rest is of no meaning to a port read and is left as it is.
    constexpr void await_port(Kind which, uint8_t size) {
        kind = which;
        bytes = size;
    }
};

// A general-purpose register after a write of 1, 2, 4 or 8 bytes. SDM Vol. 1 "General-Purpose Registers in
// 64-Bit Mode" (3.4.1.1): 32-bit results are zero-extended, smaller ones leave the rest alone.
constexpr uint64_t merge_gpr(uint64_t old, uint64_t value, unsigned bytes, bool high_byte = false) {
    if (high_byte) return (old & ~uint64_t{0xff00}) | (value & 0xff) << 8;
    if (bytes == 8) return value;
    if (bytes == 4) return value & 0xffffffff;
    const uint64_t mask = bit(bytes * 8) - 1;
    return (old & ~mask) | (value & mask);
}

}  // namespace vtless::vmx
