// SPDX-License-Identifier: MIT
// Decoder of the instructions that guests use on device memory: the forms with a memory operand of MOV and
// its kin, the ALU group, bit tests, exchanges and strings. Everything else is "not decoded", never a guess.
// SDM Vol. 2A "Instruction Format" (2), Vol. 2D "Opcode Map" (Appendix A).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "isa/x86/memory_operand.h"
#include "isa/x86/registers.h"

namespace vtless::x86 {

inline constexpr size_t kMaxInstructionBytes = 15;

// Of the code segment: L, or else D.
enum class CodeMode : uint8_t { BITS16, BITS32, BITS64 };

constexpr const char* name(CodeMode mode) {
    constexpr const char* kNames[] = {"BITS16", "BITS32", "BITS64"};
    return kNames[static_cast<unsigned>(mode)];
}

// ADD to CMP are in the order of their opcodes. MOVSXD is MOVSX of four bytes.
// clang-format off
enum class MemoryOp : uint8_t {
    ADD, OR, ADC, SBB, AND, SUB, XOR, CMP,
    MOV, MOVZX, MOVSX, TEST, XCHG, XADD, CMPXCHG,
    INC, DEC, NOT, NEG,
    BT, BTS, BTR, BTC,
    MOVS, CMPS, STOS, LODS, SCAS,
};
// clang-format on

// The explicit operands, destination first as the manual writes them.
enum class OperandForm : uint8_t {
    REGISTER_MEMORY,   // MOV r, m; ADD r, m; CMP r, m; MOVZX r, m
    MEMORY_REGISTER,   // MOV m, r; ADD m, r; TEST m, r; XCHG m, r; BTS m, r
    MEMORY_IMMEDIATE,  // MOV m, imm; OR m, imm; BT m, imm8
    MEMORY,            // INC m; NOT m
    STRING,
};

// F2 or F3 before a string instruction. Before MOVS, STOS and LODS, F2 repeats as F3 does.
enum class Repeat : uint8_t { NONE, REPE, REPNE };

struct MemoryInstruction {
    uint8_t length = 0;
    MemoryOp op = MemoryOp::MOV;
    OperandForm form = OperandForm::MEMORY;
    uint8_t memory_bytes = 0;  // of the memory operand
    uint8_t register_bytes =
        0;               // of the register operand; writing 4 clears the upper half, 1 and 2 keep the rest
    Gpr gpr = Gpr::RAX;  // the register operand; RAX for STOS, LODS, SCAS
    bool high_byte = false;  // AH, CH, DH or BH: bits 15:8 of gpr, which is then RAX to RBX
    bool lock = false;
    Repeat repeat = Repeat::NONE;
    uint64_t immediate = 0;  // sign-extended to memory_bytes, zero above; a bit offset is the plain byte
    // For MOVS and CMPS the operand at rSI; the other is string_destination(). BTx m, r reaches beyond this
    // address: the register, as a signed number, counts bits from here.
    MemoryOperand memory;

    friend constexpr bool operator==(const MemoryInstruction&, const MemoryInstruction&) = default;
};

// Empty when the bytes end too early, exceed 15, raise #UD, or are no form listed above.
std::optional<MemoryInstruction> decode_memory_instruction(std::span<const uint8_t> bytes, CodeMode mode);

// Whether executing the instruction reads, or writes, its `memory`. LOCKed or not; CMPXCHG always writes.
bool reads_memory(const MemoryInstruction& instruction);
bool writes_memory(const MemoryInstruction& instruction);

// ES:rDI, which MOVS writes and CMPS reads; no segment override applies to it.
MemoryOperand string_destination(const MemoryInstruction& instruction);

}  // namespace vtless::x86
