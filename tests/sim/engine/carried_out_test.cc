// SPDX-License-Identifier: MIT
// Instructions whose operands make Unicorn crash the process, or mistake the result.
#include <gtest/gtest.h>

#include <vector>

#include "isa/x86/rflags.h"
#include "tests/sim/cpu/text_comparison_table.h"
#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using Code = std::vector<uint8_t>;

constexpr uint64_t kCode = GuestMachine::kCode;
constexpr uint64_t kData = 0x300000;
constexpr uint64_t kMissing = 0x600800;
constexpr uint64_t kMinus = ~uint64_t{0};

void put_code(GuestMachine& m, const Code& code) {
    for (size_t i = 0; i < code.size(); ++i) m.put<uint8_t>(kCode + i, code[i]);
}

enum Form : uint8_t { EstrM = 0x60, EstrI = 0x61, IstrM = 0x62, IstrI = 0x63 };

struct Comparison {
    Form form = EstrI;
    uint8_t control = 0;
    bool wide = false;  // REX.W
    bool memory = false;
    uint64_t rax = 0, rdx = 0;
    TextBits first{}, second{};
};

// mov xmm1, [rsi]; mov xmm2, [rdi]; the comparison, of xmm1 with xmm2 or [rdi]; mov [r8], xmm0; hlt
Code code_of(const Comparison& c) {
    Code code{0xf3, 0x0f, 0x6f, 0x0e, 0xf3, 0x0f, 0x6f, 0x17, 0x66};
    if (c.wide) code.push_back(0x48);
    code.insert(code.end(), {0x0f, 0x3a, c.form, static_cast<uint8_t>(c.memory ? 0x0f : 0xca), c.control});
    code.insert(code.end(), {0xf3, 0x41, 0x0f, 0x7f, 0x00, 0xf4});
    return code;
}

void start(GuestMachine& m, const Comparison& c, uint64_t rflags = 2) {
    m.long_mode(kCode, 0, rflags);
    m.put(kData, c.first);
    m.put(kData + 16, c.second);
    Engine& engine = m.engine();
    engine.set_gpr(Gpr::RAX, c.rax);
    engine.set_gpr(Gpr::RDX, c.rdx);
    engine.set_gpr(Gpr::RCX, kMinus);
    engine.set_gpr(Gpr::RSI, kData);
    engine.set_gpr(Gpr::RDI, kData + 16);
    engine.set_gpr(Gpr::R8, kData + 32);
}

void check(GuestMachine& m, const Comparison& c) {
    Text first{c.first, 0};
    Text second{c.second, 0};
    const bool explicit_lengths = c.form == EstrM || c.form == EstrI;
    first.length =
        explicit_lengths ? explicit_length(c.rax, c.wide, c.control) : implicit_length(c.first, c.control);
    second.length =
        explicit_lengths ? explicit_length(c.rdx, c.wide, c.control) : implicit_length(c.second, c.control);
    const test::TableResult expected = test::by_the_table(first, second, c.control);
    const bool index = c.form == EstrI || c.form == IstrI;
    SCOPED_TRACE(testing::Message() << std::hex << +c.form << " control " << +c.control << " rax " << c.rax
                                    << " rdx " << c.rdx << (c.wide ? " wide" : "")
                                    << (c.memory ? " memory" : ""));
    ASSERT_TRUE(m.stopped_before(Instruction::HLT));
    ASSERT_EQ(m.engine().rflags(), expected.flags | 2);
    ASSERT_EQ(m.gpr(Gpr::RAX), c.rax);
    ASSERT_EQ(m.gpr(Gpr::RDX), c.rdx);
    ASSERT_EQ(m.gpr(Gpr::RCX), index ? match_index(expected.matches, c.control) : kMinus);
    if (index) return;
    ASSERT_EQ(m.get<TextBits>(kData + 32), match_mask(expected.matches, c.control));
}

constexpr uint64_t kLengths[] = {0,
                                 1,
                                 2,
                                 7,
                                 8,
                                 9,
                                 15,
                                 16,
                                 17,
                                 0x7fffffff,
                                 0x80000000,
                                 0x80000001,
                                 0xffffffff,
                                 0xfffffff9,
                                 0x100000000,
                                 0x180000000,
                                 kMinus,
                                 kMinus - 14,
                                 kMinus << 63,
                                 (kMinus << 63) + 1,
                                 kMinus >> 1,
                                 0xffffffff80000000,
                                 0x8000000080000000,
                                 0xfffffffe00000003};

TEST(CarriedOut, ComparisonsOfAllLengths) {
    GuestMachine m;
    const auto texts = test::some_texts(8);
    unsigned n = 0;
    for (const Form form : {EstrM, EstrI})
        for (const unsigned control : {0x00u, 0x09u, 0x0cu, 0x0du, 0x15u, 0x3au, 0x46u, 0x4du, 0x71u, 0x7fu})
            for (const bool wide : {false, true}) {
                put_code(m, code_of({form, static_cast<uint8_t>(control), wide, (++n & 1) != 0}));
                for (const uint64_t rax : kLengths)
                    for (const uint64_t rdx : kLengths) {
                        ++n;
                        const Comparison c{form,         static_cast<uint8_t>(control),
                                           wide,         m.get<uint8_t>(kCode + (wide ? 13 : 12)) == 0x0f,
                                           rax,          rdx,
                                           texts[n % 8], texts[n / 8 % 8]};
                        start(m, c);
                        m.run();
                        ASSERT_NO_FATAL_FAILURE(check(m, c));
                    }
            }
}

TEST(CarriedOut, ComparisonsOfAllKinds) {
    GuestMachine m;
    const auto texts = test::some_texts(12);
    for (const Form form : {EstrM, EstrI, IstrM, IstrI})
        for (unsigned control = 0; control < 0x80; ++control)
            for (const bool memory : {false, true}) {
                Comparison c{form, static_cast<uint8_t>(control), false, memory};
                put_code(m, code_of(c));
                for (unsigned n = 0; n < 40; ++n) {
                    c.rax = n % 18;
                    c.rdx = n * 7 % 19;
                    c.first = texts[n % 12];
                    c.second = texts[n * 5 % 11];
                    start(m, c);
                    m.run();
                    ASSERT_NO_FATAL_FAILURE(check(m, c));
                }
            }
}

// Stopped after every instruction the guest is the same, and so are cycles and instructions.
TEST(CarriedOut, ComparisonsBetweenDeadlinesAndSteps) {
    const auto texts = test::some_texts(2);
    for (const uint64_t rax : {uint64_t{3}, uint64_t{0x80000000}}) {
        for (const unsigned quantum : {0u, 1u, 2u, 3u}) {
            GuestMachine m;
            const Comparison c{EstrM, 0x44, false, true, rax, 0x80000000, texts[0], texts[1]};
            put_code(m, code_of(c));
            start(m, c);
            do {
                m.engine().set_deadline(quantum == 0 ? Engine::kNever : m.engine().cycles() + quantum);
                m.run();
            } while (m.engine().stop().kind == Stop::Kind::Deadline);
            ASSERT_NO_FATAL_FAILURE(check(m, c));
            EXPECT_EQ(m.engine().instructions(), 4u) << quantum;
            EXPECT_EQ(m.engine().cycles(), 4u) << quantum;
        }
        GuestMachine m;
        const Comparison c{EstrM, 0x44, false, true, rax, 0x80000000, texts[0], texts[1]};
        put_code(m, code_of(c));
        start(m, c);
        for (unsigned i = 0; i < 4; ++i) {
            EXPECT_EQ(m.engine().run(Engine::Extent::OneInstruction).kind, Stop::Kind::SingleStep) << i;
            EXPECT_EQ(m.engine().instructions(), i + 1);
        }
        m.run();
        ASSERT_NO_FATAL_FAILURE(check(m, c));
    }
}

TEST(CarriedOut, AComparisonUnderTheGuestsTfTraps) {
    GuestMachine m;
    const Comparison c{EstrI, 0, false, false, 0x80000000, 0x80000000};
    put_code(m, code_of(c));
    start(m, c, 0x102);
    m.engine().set_rip(kCode + 8);
    m.run();
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::DB));
    EXPECT_EQ(m.engine().rip(), kCode + 14);
    EXPECT_NE(m.engine().rflags() & x86::rflags::TF, 0u);
}

// The page is not there, in the middle of a block; when it is, the instruction runs.
TEST(CarriedOut, AComparisonWhoseOperandFaults) {
    for (const uint64_t rdx : {uint64_t{4}, uint64_t{0x80000000}}) {
        GuestMachine m;
        m.put<uint64_t>(0x12000 + 8 * 3, 0);
        const Comparison c{EstrI, 0, false, true, 0x80000000, rdx, {0x61, 0}, {0x61, 0}};
        put_code(m, {0x31, 0xdb, 0x39, 0xdb, 0x66, 0x0f, 0x3a, 0x61, 0x0f, 0x00, 0xf4});  // xor; cmp ebx, ebx
        start(m, c);
        m.engine().set_gpr(Gpr::RDI, kMissing - 0x801);  // its last byte is on the missing page
        m.run();
        ASSERT_EQ(m.engine().stop().kind, Stop::Kind::PageFault);
        EXPECT_EQ(m.engine().stop().fault.gva.value(), kMissing & ~uint64_t{0xfff});
        EXPECT_EQ(m.engine().rip(), kCode + 4);
        EXPECT_EQ(m.engine().rflags(), 0x46u);
        EXPECT_EQ(m.gpr(Gpr::RAX), 0x80000000u);
        EXPECT_EQ(m.gpr(Gpr::RDX), rdx);
        EXPECT_EQ(m.gpr(Gpr::RCX), kMinus);
        EXPECT_EQ(m.engine().instructions(), 2u);
        m.put<uint64_t>(0x12000 + 8 * 3, uint64_t{3} << 21 | 0x87);
        m.mmu().flush_all();
        m.run();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        EXPECT_NE(m.gpr(Gpr::RCX), kMinus);
    }
}

TEST(CarriedOut, AComparisonThatMayNotRun) {
    struct Case {
        uint64_t cr0, cr4;
        Code prefixes;
        x86::Vector vector;
    };
    const Case cases[] = {
        {0x8005003b, 0x6a0, {}, x86::Vector::NM},     {0x80050037, 0x6a0, {}, x86::Vector::UD},
        {0x80050033, 0x4a0, {}, x86::Vector::UD},     {0x80050033, 0x6a0, {0xf0}, x86::Vector::UD},
        {0x80050033, 0x6a0, {0xf2}, x86::Vector::UD}, {0x80050033, 0x6a0, {0xf3}, x86::Vector::UD}};
    for (const Case& one : cases) {
        for (const uint64_t rax : {uint64_t{1}, uint64_t{0x80000000}}) {
            GuestMachine m;
            Code code = one.prefixes;
            code.insert(code.end(), {0x66, 0x0f, 0x3a, 0x60, 0xca, 0x00, 0xf4});
            put_code(m, code);
            start(m, {EstrM, 0, false, false, rax, 0x80000000});
            m.engine().edit_state().set_cr0(one.cr0);
            m.engine().edit_state().set_cr4(one.cr4);
            m.sync_paging();
            m.run();
            EXPECT_TRUE(m.stopped_at_exception(one.vector)) << one.cr0 << " " << one.cr4;
            EXPECT_EQ(m.engine().rip(), kCode);
        }
    }
}

// Unicorn has no AVX, but would look for the legacy instruction behind a VEX prefix; and it heeds a REX
// prefix that is not the last one.
TEST(CarriedOut, ComparisonsBehindOtherPrefixes) {
    for (const Form form : {EstrM, EstrI, IstrM, IstrI}) {
        for (const bool wide : {false, true}) {
            GuestMachine m;
            put_code(m, {0xc4, 0xe3, static_cast<uint8_t>(wide ? 0xf9 : 0x79), form, 0xca, 0x00, 0xf4});
            start(m, {form, 0, false, false, 0x80000000, 0x80000000});
            m.run();
            EXPECT_TRUE(m.stopped_at_exception(x86::Vector::UD)) << +form;
        }
    }
    GuestMachine m;
    put_code(m, {0x48, 0x66, 0x0f, 0x3a, EstrI, 0xca, 0x00, 0xf4});
    const Comparison c{EstrI, 0, false, false, 0x100000001, 0x8000000000000002};
    start(m, c);
    m.run();
    ASSERT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.gpr(Gpr::RCX), 0u);
    EXPECT_EQ(m.engine().rflags(), 0x8c3u) << "both texts are shorter than a register";
}

TEST(CarriedOut, ComparisonsIn16And32BitCode) {
    for (const bool real : {false, true}) {
        GuestMachine m;
        if (real) {
            m.real_mode(0, kCode, 0);
            m.engine().edit_state().set_cr4(0x600);
        } else {
            m.long_mode();
            m.engine().edit_state().set_segment(x86::SegmentRegister::CS, {0x18, 0, ~0u, {0xc09b}});
        }
        m.sync_paging();
        m.engine().set_gpr(Gpr::RAX, 0x80000000);
        m.engine().set_gpr(Gpr::RDX, 0x80000000);
        m.code(kCode, {0x66, 0x0f, 0x3a, 0x61, 0xc9, 0x08, 0xf4});  // of xmm1 with itself, each element
        m.run();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT)) << real;
        EXPECT_EQ(m.gpr(Gpr::RCX) & 0xffff, 0u);
        EXPECT_EQ(m.engine().rflags() & x86::rflags::kArithmetic, x86::rflags::CF | x86::rflags::OF);
    }
}

// The quotient of the smallest dividend never fits; by -1 the host's own division would not do either.
TEST(CarriedOut, DivisionsOfTheSmallestDividend) {
    for (const bool memory : {false, true}) {
        for (const uint64_t divisor :
             {uint64_t{0xffffffff}, uint64_t{1}, uint64_t{0}, uint64_t{0x80000000}}) {
            for (const unsigned quantum : {0u, 1u}) {
                GuestMachine m;
                m.long_mode();
                m.put(kData, divisor);
                m.engine().set_gpr(Gpr::RAX, 0xffffffff00000000);
                m.engine().set_gpr(Gpr::RDX, 0x80000000);
                m.engine().set_gpr(Gpr::RCX, divisor);
                m.engine().set_gpr(Gpr::RSI, kData);
                put_code(m, {0x39, 0xdb, 0xf7, static_cast<uint8_t>(memory ? 0x3e : 0xf9), 0xf4});
                do {
                    m.engine().set_deadline(quantum == 0 ? Engine::kNever : m.engine().cycles() + quantum);
                    m.run();
                } while (m.engine().stop().kind == Stop::Kind::Deadline);
                EXPECT_TRUE(m.stopped_at_exception(x86::Vector::DE));
                EXPECT_EQ(m.engine().rip(), kCode + 2);
                EXPECT_EQ(m.engine().rflags(), 0x46u);
                EXPECT_EQ(m.gpr(Gpr::RAX), 0xffffffff00000000u);
                EXPECT_EQ(m.engine().instructions(), 1u);
            }
        }
    }
}

TEST(CarriedOut, DivisionsOfOtherDividends) {
    struct Case {
        uint64_t rax, rdx, divisor;
        uint32_t quotient, remainder;
        bool faults;
    };
    constexpr Case kCases[] = {{0, 0x80000001, 0xffffffff, 0, 0, true},
                               {1, 0x80000000, 0xffffffff, 0, 0, true},
                               {0x80000000, 0xffffffff, 0xffffffff, 0, 0, true},
                               {0x80000000, 0xffffffff, 1, 0x80000000, 0, false},
                               {0xffffff9c, 0xffffffff, 7, 0xfffffff2, 0xfffffffe, false},
                               {100, 0, 7, 14, 2, false},
                               {100, 0, 0, 0, 0, true}};
    for (const Case& one : kCases) {
        GuestMachine m;
        m.long_mode();
        m.engine().set_gpr(Gpr::RAX, one.rax);
        m.engine().set_gpr(Gpr::RDX, one.rdx);
        m.engine().set_gpr(Gpr::RCX, one.divisor);
        m.code(kCode, {0x39, 0xdb, 0xf7, 0xf9, 0xf4});
        m.run();
        if (one.faults) {
            EXPECT_TRUE(m.stopped_at_exception(x86::Vector::DE)) << one.rax;
            EXPECT_EQ(m.engine().rflags(), 0x46u);
            continue;
        }
        EXPECT_TRUE(m.stopped_before(Instruction::HLT)) << one.rax;
        EXPECT_EQ(m.gpr(Gpr::RAX), one.quotient);
        EXPECT_EQ(m.gpr(Gpr::RDX), one.remainder);
    }
}

TEST(CarriedOut, ADivisionWhoseOperandFaults) {
    GuestMachine m;
    m.put<uint64_t>(0x12000 + 8 * 3, 0);
    m.long_mode();
    m.engine().set_gpr(Gpr::RDX, 0x80000000);
    m.engine().set_gpr(Gpr::RSI, kMissing);
    m.code(kCode, {0x31, 0xc0, 0xf7, 0x3e, 0xf4});  // xor eax, eax; idiv dword [rsi]
    m.run();
    EXPECT_EQ(m.engine().stop().kind, Stop::Kind::PageFault);
    EXPECT_EQ(m.engine().stop().fault.gva.value(), kMissing);
    EXPECT_EQ(m.engine().rip(), kCode + 2);
}

TEST(CarriedOut, DivisionsIn16BitCode) {
    GuestMachine m;
    m.real_mode(0, kCode, 0);
    m.engine().set_gpr(Gpr::RDX, 0x80000000);
    m.engine().set_gpr(Gpr::RCX, 0xffffffff);
    m.code(kCode, {0x66, 0xf7, 0xf9, 0xf4});
    m.run();
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::DE));
}

// Forms that tests/differential found mistaken by Unicorn; expected values are the host processor's.
#if defined(__x86_64__)

constexpr uint64_t kAllFlags = x86::rflags::kArithmetic;
constexpr uint64_t kValues[] = {0, 1, 0x10, 0x80, 0x8000, 0x80000000, 0x8000000000000000, 0x123456789abcdef5};

struct Answer {
    uint64_t value = 0;
    uint64_t flags = 0;
};

template <class T>
Answer host_negated(uint64_t value) {
    auto operand = static_cast<T>(value);
    Answer answer;
    asm("neg %1; pushfq; popq %0" : "=r"(answer.flags), "+r"(operand) : : "cc");
    answer.value = operand;
    answer.flags &= kAllFlags;
    return answer;
}

template <class T>
void check_negation(const Code& code) {
    for (const uint64_t value : kValues) {
        GuestMachine m;
        m.long_mode();
        put_code(m, code);
        m.put<T>(kData, static_cast<T>(value));
        m.engine().set_gpr(Gpr::RSI, kData);
        m.run();
        ASSERT_TRUE(m.stopped_before(Instruction::HLT));
        const Answer expected = host_negated<T>(value);
        EXPECT_EQ(m.get<T>(kData), expected.value) << value;
        EXPECT_EQ(m.engine().rflags() & kAllFlags, expected.flags) << value;
        EXPECT_EQ(m.engine().instructions(), 1u);
    }
}

TEST(CarriedOut, LockedNegationsOfEachWidth) {
    check_negation<uint8_t>({0xf0, 0xf6, 0x1e, 0xf4});
    check_negation<uint16_t>({0xf0, 0x66, 0xf7, 0x1e, 0xf4});
    check_negation<uint32_t>({0xf0, 0xf7, 0x1e, 0xf4});
    check_negation<uint64_t>({0xf0, 0x48, 0xf7, 0x1e, 0xf4});
}

TEST(CarriedOut, ALockedNegationThatFaultsIsAWrite) {
    GuestMachine m;
    m.long_mode();
    m.put<uint64_t>(0x12000 + 8 * 3, 0);
    put_code(m, {0xf0, 0xf7, 0x1e, 0xf4});
    m.engine().set_gpr(Gpr::RSI, kMissing);
    m.run();
    ASSERT_EQ(m.engine().stop().kind, Stop::Kind::PageFault);
    EXPECT_NE(m.engine().stop().fault.error_code & 2, 0u);
    EXPECT_EQ(m.engine().rip(), kCode);
}

Answer host_shifted(uint64_t value, uint64_t more, bool left, unsigned count) {
    Answer answer{value, 0};
    if (left) {
        asm("shldq %%cl, %2, %1; pushfq; popq %0"
            : "=r"(answer.flags), "+r"(answer.value)
            : "r"(more), "c"(count)
            : "cc");
    } else {
        asm("shrdq %%cl, %2, %1; pushfq; popq %0"
            : "=r"(answer.flags), "+r"(answer.value)
            : "r"(more), "c"(count)
            : "cc");
    }
    return answer;
}

// rex.w shld or shrd [rip + d], rbx, count
TEST(CarriedOut, DoubleShiftsOfRipRelativeOperands) {
    using namespace x86::rflags;
    constexpr uint64_t kDefined = CF | ZF | SF | PF;  // OF for a count of 1, AF never
    for (const uint8_t opcode : Code{0xa4, 0xac}) {
        for (const uint8_t count : Code{1, 3, 32, 63, 64 + 5}) {
            for (const uint64_t value : kValues) {
                GuestMachine m;
                m.long_mode();
                const auto displacement = static_cast<uint32_t>(kData - (kCode + 9));
                Code code{0x48, 0x0f, opcode, 0x1d};
                for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(displacement >> 8 * i));
                code.insert(code.end(), {count, 0xf4});
                put_code(m, code);
                m.put<uint64_t>(kData, value);
                m.engine().set_gpr(Gpr::RBX, 0xfedcba9876543210);
                m.run();
                ASSERT_TRUE(m.stopped_before(Instruction::HLT));
                const Answer expected = host_shifted(value, 0xfedcba9876543210, opcode == 0xa4, count);
                EXPECT_EQ(m.get<uint64_t>(kData), expected.value) << value << ' ' << unsigned{count};
                const uint64_t defined = kDefined | (count == 1 ? OF : 0);
                EXPECT_EQ(m.engine().rflags() & defined, expected.flags & defined) << value;
            }
        }
    }
}

// cmpxchg ebx, ecx: what does not match stays whole. SDM Vol. 2A "CMPXCHG".
TEST(CarriedOut, ExchangesOf32BitRegisters) {
    for (const uint64_t accumulator : kValues) {
        for (const uint64_t value : kValues) {
            GuestMachine m;
            m.long_mode();
            put_code(m, {0x0f, 0xb1, 0xcb, 0xf4});
            const uint64_t destination = value | 0xaaaa000000000000;
            m.engine().set_gpr(Gpr::RAX, accumulator);
            m.engine().set_gpr(Gpr::RBX, destination);
            m.engine().set_gpr(Gpr::RCX, 0x7777777700000005);
            m.run();
            ASSERT_TRUE(m.stopped_before(Instruction::HLT));
            uint64_t flags = 0;
            asm("cmpl %2, %1; pushfq; popq %0"
                : "=r"(flags)
                : "r"(static_cast<uint32_t>(accumulator)), "r"(static_cast<uint32_t>(destination))
                : "cc");
            const bool equal = (flags & x86::rflags::ZF) != 0;
            EXPECT_EQ(m.engine().rflags() & kAllFlags, flags & kAllFlags);
            EXPECT_EQ(m.engine().gpr(Gpr::RBX), equal ? 5u : destination);
            EXPECT_EQ(m.engine().gpr(Gpr::RAX), equal ? accumulator : destination & 0xffffffff);
        }
    }
}

#define VTLESS_OF_ITSELF(name) \
    asm("movdqu %1, %%xmm1; " name " %%xmm1, %%xmm1; movdqu %%xmm1, %0" : "=m"(result) : "m"(bits) : "xmm1")

TextBits host_sums(const TextBits& bits, uint8_t opcode) {
    TextBits result{};
    switch (opcode) {
        case 0x01:
            VTLESS_OF_ITSELF("phaddw");
            break;
        case 0x02:
            VTLESS_OF_ITSELF("phaddd");
            break;
        case 0x03:
            VTLESS_OF_ITSELF("phaddsw");
            break;
        case 0x05:
            VTLESS_OF_ITSELF("phsubw");
            break;
        case 0x06:
            VTLESS_OF_ITSELF("phsubd");
            break;
        case 0x07:
            VTLESS_OF_ITSELF("phsubsw");
            break;
    }
    return result;
}
#undef VTLESS_OF_ITSELF

// phaddX xmm1, xmm1 between mov xmm1, [rsi] and mov [r8], xmm1
TEST(CarriedOut, HorizontalSumsOfARegisterWithItself) {
    if (!__builtin_cpu_supports("ssse3")) GTEST_SKIP() << "SKIP: this processor has no SSSE3 to compare with";
    const TextBits values[] = {{0x7fff000200010004, 0x8000ffff00050006},
                               {0x7fff7fff80008000, 0x123456789abcdef0}};
    for (const TextBits& bits : values) {
        for (const uint8_t opcode : Code{1, 2, 3, 5, 6, 7}) {
            GuestMachine m;
            m.long_mode();
            put_code(m, {0xf3, 0x0f, 0x6f, 0x0e, 0x66, 0x0f, 0x38, opcode, 0xc9, 0xf3, 0x41, 0x0f, 0x7f, 0x08,
                         0xf4});
            m.put(kData, bits);
            m.engine().set_gpr(Gpr::RSI, kData);
            m.engine().set_gpr(Gpr::R8, kData + 32);
            m.run();
            ASSERT_TRUE(m.stopped_before(Instruction::HLT));
            EXPECT_EQ(m.get<TextBits>(kData + 32), host_sums(bits, opcode)) << unsigned{opcode};
        }
    }
}

#endif

}  // namespace
}  // namespace vtless::sim
