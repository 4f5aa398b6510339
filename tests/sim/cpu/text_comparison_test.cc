// SPDX-License-Identifier: MIT
#include "sim/cpu/text_comparison.h"

#include <gtest/gtest.h>

#include <bit>
#include <utility>

#include "tests/sim/cpu/text_comparison_table.h"

namespace vtless::sim {
namespace {

using test::by_the_table;
using test::some_texts;
using test::TableResult;

template <class Check>
void for_all(const Check& check) {
    const auto texts = some_texts(12);
    for (unsigned control = 0; control < 0x80; ++control) {
        const auto byte = static_cast<uint8_t>(control);
        for (const TextBits& first : texts)
            for (const TextBits& second : texts)
                for (unsigned a = 0; a <= text_elements(byte); ++a)
                    for (unsigned b = 0; b <= text_elements(byte); b += 1 + (a % 3))
                        check(Text{first, a}, Text{second, b}, byte);
    }
}

TEST(TextComparison, IsTheTable) {
    for_all([](const Text& first, const Text& second, uint8_t control) {
        const TableResult expected = by_the_table(first, second, control);
        const TextComparison found = compare_texts(first, second, control);
        ASSERT_EQ(found.matches, expected.matches) << +control << " " << first.length << " " << second.length;
        ASSERT_EQ(found.flags, expected.flags) << +control;
    });
}

TEST(TextComparison, LengthsSaturate) {
    constexpr uint8_t kBytes = 0;
    constexpr uint8_t kWords = 1;
    EXPECT_EQ(explicit_length(5, false, kBytes), 5u);
    EXPECT_EQ(explicit_length(static_cast<uint64_t>(-5), false, kBytes), 5u);
    EXPECT_EQ(explicit_length(17, false, kBytes), 16u);
    EXPECT_EQ(explicit_length(9, false, kWords), 8u);
    EXPECT_EQ(explicit_length(0x80000000, false, kBytes), 16u);
    EXPECT_EQ(explicit_length(0x80000000, false, kWords), 8u);
    EXPECT_EQ(explicit_length(0x100000003, false, kBytes), 3u) << "the upper half does not count";
    EXPECT_EQ(explicit_length(0x100000003, true, kBytes), 16u);
    EXPECT_EQ(explicit_length(0xfffffffd, true, kBytes), 16u) << "not -3";
    EXPECT_EQ(explicit_length(static_cast<uint64_t>(-3), true, kBytes), 3u);
    EXPECT_EQ(explicit_length(uint64_t{1} << 63, true, kWords), 8u);
    EXPECT_EQ(implicit_length({0x0000636261, 0}, kBytes), 3u);
    EXPECT_EQ(implicit_length({0x0000006200610000, 0}, kWords), 0u);
    EXPECT_EQ(implicit_length({0x0062006100620061, 0x0062006100620061}, kWords), 8u);
}

TEST(TextComparison, IndexAndMask) {
    EXPECT_EQ(match_index(0b0110, 0x00), 1u);
    EXPECT_EQ(match_index(0b0110, 0x40), 2u);
    EXPECT_EQ(match_index(0, 0x40), 16u);
    EXPECT_EQ(match_index(0, 0x01), 8u);
    EXPECT_EQ(match_mask(0x8001, 0x00), (TextBits{0x8001, 0}));
    EXPECT_EQ(match_mask(0x8001, 0x40), (TextBits{0xff, 0xff00000000000000}));
    EXPECT_EQ(match_mask(0x12, 0x41), (TextBits{0xffff0000, 0xffff}));
}

#if defined(__x86_64__)
using Vector = long long __attribute__((vector_size(16)));

struct SiliconResult {
    uint32_t index;
    TextBits mask;
    uint64_t flags;
};

template <uint8_t Control>
SiliconResult on_silicon(const Text& first, const Text& second) {
    const auto a = std::bit_cast<Vector>(first.bits);
    const auto b = std::bit_cast<Vector>(second.bits);
    SiliconResult result{};
    Vector mask;
    asm("pcmpestri %[control], %[b], %[a]\n\t"
        "pushfq\n\t"
        "pop %[flags]"
        : "=c"(result.index), [flags] "=&r"(result.flags)
        : [a] "x"(a), [b] "x"(b), [control] "i"(Control), "a"(first.length), "d"(second.length)
        : "cc");
    asm("pcmpestrm %[control], %[b], %[a]"
        : "=Yz"(mask)
        : [a] "x"(a), [b] "x"(b), [control] "i"(Control), "a"(first.length), "d"(second.length)
        : "cc");
    result.mask = std::bit_cast<TextBits>(mask);
    return result;
}

template <size_t... Controls>
constexpr auto silicon_forms(std::index_sequence<Controls...>) {
    return std::array{&on_silicon<static_cast<uint8_t>(Controls)>...};
}

// The processor that the tests run on knows best.
TEST(TextComparison, IsWhatSiliconDoes) {
    if (!__builtin_cpu_supports("sse4.2")) GTEST_SKIP() << "this processor lacks SSE4.2";
    static constexpr auto kForms = silicon_forms(std::make_index_sequence<0x80>());
    for_all([](const Text& first, const Text& second, uint8_t control) {
        const SiliconResult expected = kForms[control](first, second);
        const TextComparison found = compare_texts(first, second, control);
        ASSERT_EQ(match_index(found.matches, control), expected.index) << +control;
        ASSERT_EQ(match_mask(found.matches, control), expected.mask) << +control;
        ASSERT_EQ(found.flags, expected.flags & x86::rflags::kArithmetic) << +control;
    });
}
#endif

}  // namespace
}  // namespace vtless::sim
