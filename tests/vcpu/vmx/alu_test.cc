// SPDX-License-Identifier: MIT
// The arithmetic against this machine's own: x86 is its own specification. Elsewhere only the table runs.
#include "vcpu/vmx/alu.h"

#include <gtest/gtest.h>

#include <random>

namespace vtless::vmx {
namespace {

using Op = x86::MemoryOp;
using namespace x86::rflags;

struct Row {
    Op op;
    unsigned bytes;
    uint64_t destination, source, flags;
    uint64_t value, flags_after;
};

TEST(Alu, FollowsTheManual) {
    const Row rows[] = {
        {Op::ADD, 1, 0xff, 1, 0, 0, CF | AF | ZF | PF},
        {Op::ADD, 1, 0x7f, 1, 0, 0x80, AF | SF | OF},
        {Op::ADC, 4, 0xffffffff, 0, CF, 0, CF | AF | ZF | PF},
        {Op::SUB, 2, 0, 1, 0, 0xffff, CF | AF | SF | PF},
        {Op::SBB, 8, 5, 4, CF, 0, ZF | PF},
        {Op::CMP, 1, 0x80, 1, 0, 0x7f, AF | OF},
        {Op::AND, 1, 0xf0, 0x0f, CF | OF | AF, 0, ZF | PF},
        {Op::XOR, 8, 1, bit(63), 0, bit(63) | 1, SF},
        {Op::INC, 4, 0x7fffffff, 0, CF, 0x80000000, CF | AF | SF | OF | PF},
        {Op::DEC, 1, 0, 0, 0, 0xff, AF | SF | PF},
        {Op::NEG, 1, 0x80, 0, 0, 0x80, CF | SF | OF},
        {Op::NOT, 2, 0x00ff, 0, CF | ZF, 0xff00, CF | ZF},
        {Op::BTS, 4, 0, 33, ZF, 2, ZF},
        {Op::BTR, 4, 2, 1, 0, 0, CF},
        {Op::BTC, 8, 0, 63, CF, bit(63), 0},
        {Op::XCHG, 4, 1, 2, CF, 2, CF},
    };
    for (const Row& row : rows) {
        const AluResult result = alu(row.op, row.bytes, row.destination, row.source, row.flags);
        EXPECT_EQ(result.value, row.value) << static_cast<int>(row.op);
        EXPECT_EQ(result.flags, row.flags_after) << static_cast<int>(row.op);
    }
}

#if defined(__x86_64__)
constexpr uint64_t kPlainFlags = kArithmetic;

// Runs one instruction with the given flags. AF is left out where it is undefined.
#define VTLESS_HOST_OP(name, text)                                                              \
    template <class T>                                                                          \
    AluResult name(T destination, T source, uint64_t flags) {                                   \
        uint64_t after;                                                                         \
        asm volatile("pushfq\n\tandq %[keep], (%%rsp)\n\torq %[set], (%%rsp)\n\tpopfq\n\t" text \
                     "\n\tpushfq\n\tpopq %[after]"                                              \
                     : [d] "+r"(destination), [after] "=&r"(after)                              \
                     : [s] "r"(source), [keep] "i"(~0x8d5), [set] "r"(flags)                    \
                     : "cc", "memory");                                                         \
        return {destination, after & kPlainFlags};                                              \
    }
VTLESS_HOST_OP(host_add, "add %[s], %[d]")
VTLESS_HOST_OP(host_adc, "adc %[s], %[d]")
VTLESS_HOST_OP(host_sub, "sub %[s], %[d]")
VTLESS_HOST_OP(host_sbb, "sbb %[s], %[d]")
VTLESS_HOST_OP(host_and, "and %[s], %[d]")
VTLESS_HOST_OP(host_or, "or %[s], %[d]")
VTLESS_HOST_OP(host_xor, "xor %[s], %[d]")
VTLESS_HOST_OP(host_inc, "inc %[d]")
VTLESS_HOST_OP(host_dec, "dec %[d]")
VTLESS_HOST_OP(host_neg, "neg %[d]")

template <class T>
void compare_with_host(std::mt19937_64& random) {
    using Host = AluResult (*)(T, T, uint64_t);
    const struct {
        Op op;
        Host host;
        bool auxiliary;  // AF is defined
    } rows[] = {{Op::ADD, host_add<T>, true},  {Op::ADC, host_adc<T>, true},  {Op::SUB, host_sub<T>, true},
                {Op::SBB, host_sbb<T>, true},  {Op::AND, host_and<T>, false}, {Op::OR, host_or<T>, false},
                {Op::XOR, host_xor<T>, false}, {Op::INC, host_inc<T>, true},  {Op::DEC, host_dec<T>, true},
                {Op::NEG, host_neg<T>, true}};
    const T edges[] = {
        0, 1, static_cast<T>(~T{0}), static_cast<T>(~T{0} >> 1), static_cast<T>((~T{0} >> 1) + 1), 0x10};
    const auto operand = [&] { return random() % 3 == 0 ? edges[random() % 6] : static_cast<T>(random()); };
    for (int i = 0; i < 20000; ++i) {
        const auto& row = rows[random() % std::size(rows)];
        const T destination = operand(), source = operand();
        const uint64_t flags = random() & kPlainFlags;
        const AluResult host = row.host(destination, source, flags);
        const AluResult ours = alu(row.op, sizeof(T), destination, source, flags);
        const uint64_t defined = row.auxiliary ? kPlainFlags : kPlainFlags & ~AF;
        ASSERT_EQ(ours.value, host.value)
            << static_cast<int>(row.op) << " " << +destination << " " << +source;
        ASSERT_EQ(ours.flags & defined, host.flags & defined)
            << static_cast<int>(row.op) << " " << +destination << " " << +source << " " << flags;
    }
}

TEST(Alu, AgreesWithTheProcessor) {
    std::mt19937_64 random(7);
    compare_with_host<uint8_t>(random);
    compare_with_host<uint16_t>(random);
    compare_with_host<uint32_t>(random);
    compare_with_host<uint64_t>(random);
}
#endif

}  // namespace
}  // namespace vtless::vmx
