// SPDX-License-Identifier: MIT
// The instructions that programs are made of: how each is encoded, and which flags it leaves undefined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vtless::differential {

enum class Mode : uint8_t { Real16, Protected32, Long64 };
inline constexpr unsigned kModes = 3;

// What a form's operands are. Without kByte and kFixedSize the operand size is drawn too.
enum Operands : uint32_t {
    kModRm = 1u << 0,         // a register, and a register or memory
    kMemoryOnly = 1u << 1,    // with kModRm
    kRegisterOnly = 1u << 2,  // with kModRm
    kByte = 1u << 3,          // 8-bit operands
    kFixedSize = 1u << 4,     // no operand-size prefix
    kImmediate8 = 1u << 5,
    kImmediate = 1u << 6,      // of the operand size, at most 32 bits
    kImmediateFull = 1u << 7,  // of the operand size
    kInOpcode = 1u << 8,       // the register is in the opcode's low bits
    kNoWord = 1u << 9,         // not with 16 bits
    kStackSize = 1u << 10,     // 64 bits in 64-bit mode without REX.W
    kLockable = 1u << 11,      // LOCK is allowed with memory
    kVector = 1u << 12,        // registers XMM0 to XMM7, memory aligned
    kSkipsNext = 1u << 13,     // a branch over the next instruction
    kString = 1u << 14,        // RSI, RDI and RCX set up first; kRepeat: REP, kRepeatWhile: REPE or REPNE
    kRepeat = 1u << 15,
    kRepeatWhile = 1u << 16,
    kNot64 = 1u << 17,
    kOnly64 = 1u << 18,
    kNotReal = 1u << 19,
    kByteMemory = 1u << 20,  // r/m has 8 bits, the register the operand size
    kPort = 1u << 21,
    kWordOnly = 1u << 22,
    kPredicate = 1u << 23,  // the immediate has 3 bits: D29 of sim/DEVIATIONS.md
};

struct Form {
    const char* name;
    uint8_t prefix;  // mandatory, or 0
    uint8_t opcode[3];
    uint8_t opcode_bytes;
    int8_t digit;  // of ModR/M, or -1
    uint32_t operands;
    uint64_t undefined;  // bits of RFLAGS
};

std::span<const Form> forms();

constexpr bool exists(const Form& form, Mode mode) {
    const bool long_mode = mode == Mode::Long64;
    return !(long_mode && (form.operands & kNot64) != 0) && !(!long_mode && (form.operands & kOnly64) != 0) &&
           !(mode == Mode::Real16 && (form.operands & kNotReal) != 0);
}

}  // namespace vtless::differential
