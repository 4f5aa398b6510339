// SPDX-License-Identifier: MIT
#include "isa/bits.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "isa/addr.h"

namespace vtless {
namespace {

enum class Colour : uint8_t { RED, GREEN };

static_assert(bit(63) == 0x8000000000000000);
static_assert(bit_range(63, 0) == ~uint64_t{0});
static_assert(bit_range(6, 5) == 0x60);
static_assert(Field<6, 5>::get(0x40) == 2);
static_assert(Field<6, 5>::set(uint64_t{0xff}, 0) == 0x9f);
static_assert(Field<63, 0>::set(uint64_t{1}, 7) == 7);
static_assert(Field<4, 4, Colour>::get(0x10) == Colour::GREEN);
static_assert(Field<4, 4, Colour>::set(uint32_t{0}, Colour::GREEN) == 0x10);
static_assert(std::is_same_v<decltype(Field<4, 4>::set(uint32_t{0}, 1)), uint32_t>);

TEST(Field, DropsBitsOfTheValueThatDoNotFit) {
    EXPECT_EQ((Field<6, 5>::set(uint64_t{0}, 0xff)), 0x60u);
    EXPECT_EQ((Field<31, 31>::set(uint32_t{0}, 3)), 0x80000000u);
}

TEST(SignExtend, CopiesTheTopBitUpwards) {
    EXPECT_EQ(sign_extend(0x80, 8), 0xffffffffffffff80);
    EXPECT_EQ(sign_extend(0x7f, 8), 0x7fu);
    EXPECT_EQ(sign_extend(0x1234, 8), 0x34u);
    EXPECT_EQ(sign_extend(0xffffffffffffffff, 64), 0xffffffffffffffff);
}

TEST(IsCanonical, HoldsAtTheEdgesOfTheHole) {
    EXPECT_TRUE(is_canonical(0x00007fffffffffff));
    EXPECT_FALSE(is_canonical(0x0000800000000000));
    EXPECT_FALSE(is_canonical(0xffff7fffffffffff));
    EXPECT_TRUE(is_canonical(0xffff800000000000));
    EXPECT_TRUE(is_canonical(0x00ffffffffffffff, 57));
    EXPECT_FALSE(is_canonical(0x0100000000000000, 57));
}

static_assert(!std::is_convertible_v<uint64_t, Gpa>);
static_assert(!std::is_convertible_v<Gva, Gpa>);
static_assert(!std::is_constructible_v<Hpa, Gpa>);

TEST(Address, KnowsItsPage) {
    const Gpa address(0x12345);
    EXPECT_EQ(address.page(), Gpa(0x12000));
    EXPECT_EQ(address.page_offset(), 0x345u);
    EXPECT_EQ(address.frame_number(), 0x12u);
    EXPECT_EQ((address + 0x10) - address, 0x10u);
    EXPECT_LT(address, address + 1);
}

}  // namespace
}  // namespace vtless
