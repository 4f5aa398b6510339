// SPDX-License-Identifier: MIT
// Results and flags of the arithmetic that instructions do on device memory.
// SDM Vol. 1 "Status Flags" (3.4.3.1), Vol. 2A and 2B for each instruction.
#pragma once

#include <cstdint>

#include "isa/bits.h"
#include "isa/x86/arithmetic_flags.h"
#include "isa/x86/decode.h"
#include "isa/x86/rflags.h"

namespace vtless::vmx {

struct AluResult {
    uint64_t value = 0;  // of the destination, in its low bytes; meaningless when nothing is written
    uint64_t flags = 0;  // RFLAGS as a whole
};

namespace alu_detail {

using Operands = x86::ArithmeticOperands;

inline AluResult add(Operands o, uint64_t flags, uint64_t changed = x86::rflags::kArithmetic) {
    o.result = (o.destination + o.source + o.carry) & bit_range(o.bits - 1, 0);
    return {o.result, (flags & ~changed) | (x86::add_flags(o) & changed)};
}
inline AluResult subtract(Operands o, uint64_t flags, uint64_t changed = x86::rflags::kArithmetic) {
    o.result = (o.destination - o.source - o.carry) & bit_range(o.bits - 1, 0);
    return {o.result, (flags & ~changed) | (x86::subtract_flags(o) & changed)};
}
// AF is undefined after AND, OR, XOR and TEST: clear here.
inline AluResult logic(uint64_t result, unsigned bits, uint64_t flags) {
    return {result, (flags & ~x86::rflags::kArithmetic) | x86::result_flags(result, bits)};
}
// Only CF is defined.
inline AluResult bit_test(const Operands& o, uint64_t changed, uint64_t flags) {
    const bool set = ((o.destination >> (o.source % o.bits)) & 1) != 0;
    return {changed, (flags & ~x86::rflags::CF) | (set ? x86::rflags::CF : 0)};
}

}  // namespace alu_detail

// `destination` and `source` are zero-extended from `bytes` (1, 2, 4 or 8). CMPXCHG and SCAS compare with
// CMP; XCHG, MOV and the moves of strings have no arithmetic and are not for this function.
inline AluResult alu(x86::MemoryOp op, unsigned bytes, uint64_t destination, uint64_t source,
                     uint64_t flags) {
    using Op = x86::MemoryOp;
    using x86::rflags::kArithmetic;
    const unsigned bits = bytes * 8;
    const uint64_t carry = (flags & x86::rflags::CF) != 0 ? 1 : 0;
    const uint64_t mask = bit_range(bits - 1, 0);
    const alu_detail::Operands plain{destination, source, 0, 0, bits};
    const alu_detail::Operands with_carry{destination, source, carry, 0, bits};
    const alu_detail::Operands by_one{destination, 1, 0, 0, bits};
    const uint64_t selected = bit(static_cast<unsigned>(source % bits));
    switch (op) {
        case Op::ADD:
        case Op::XADD:
            return alu_detail::add(plain, flags);
        case Op::ADC:
            return alu_detail::add(with_carry, flags);
        case Op::SUB:
        case Op::CMP:
        case Op::CMPXCHG:
        case Op::SCAS:
        case Op::CMPS:
            return alu_detail::subtract(plain, flags);
        case Op::SBB:
            return alu_detail::subtract(with_carry, flags);
        case Op::OR:
            return alu_detail::logic(destination | source, bits, flags);
        case Op::AND:
        case Op::TEST:
            return alu_detail::logic(destination & source, bits, flags);
        case Op::XOR:
            return alu_detail::logic(destination ^ source, bits, flags);
        case Op::INC:
            return alu_detail::add(by_one, flags, kArithmetic & ~x86::rflags::CF);
        case Op::DEC:
            return alu_detail::subtract(by_one, flags, kArithmetic & ~x86::rflags::CF);
        case Op::NEG:
            return alu_detail::subtract({0, destination, 0, 0, bits}, flags);
        case Op::NOT:
            return {~destination & mask, flags};
        case Op::BT:
            return alu_detail::bit_test(plain, destination, flags);
        case Op::BTS:
            return alu_detail::bit_test(plain, destination | selected, flags);
        case Op::BTR:
            return alu_detail::bit_test(plain, destination & ~selected, flags);
        case Op::BTC:
            return alu_detail::bit_test(plain, destination ^ selected, flags);
        case Op::MOV:
        case Op::MOVZX:
        case Op::MOVSX:
        case Op::XCHG:
        case Op::MOVS:
        case Op::STOS:
        case Op::LODS:
            break;
    }
    return {source, flags};
}

}  // namespace vtless::vmx
