// SPDX-License-Identifier: MIT
#include "isa/x86/paging.h"

#include <gtest/gtest.h>

namespace vtless::x86 {
namespace {

constexpr uint64_t kPaged = cr0::PE | cr0::PG;

static_assert(paging_mode(cr0::PE, cr4::PAE, 0) == PagingMode::NONE);
static_assert(paging_mode(kPaged, cr4::PSE, 0) == PagingMode::BITS32);
static_assert(paging_mode(kPaged, cr4::PAE, efer::LME) == PagingMode::PAE);
static_assert(paging_mode(kPaged, cr4::PAE, efer::LME | efer::LMA) == PagingMode::LEVEL4);
static_assert(paging_mode(kPaged, cr4::PAE | cr4::LA57, efer::LME | efer::LMA) == PagingMode::LEVEL5);

TEST(TableIndex, TakesTheBitsOfEachLevel) {
    EXPECT_EQ(table_index(PagingMode::BITS32, 2, 0xffc01000), 0x3ffu);
    EXPECT_EQ(table_index(PagingMode::BITS32, 1, 0xffc01000), 1u);
    EXPECT_EQ(table_index(PagingMode::PAE, 3, 0xffffffff), 3u);
    EXPECT_EQ(table_index(PagingMode::PAE, 2, 0x40200000), 1u);
    EXPECT_EQ(table_index(PagingMode::LEVEL4, 4, 0xffff800000000000), 0x100u);
    EXPECT_EQ(table_index(PagingMode::LEVEL4, 3, 0xffffffff80000000), 0x1feu);
    EXPECT_EQ(table_index(PagingMode::LEVEL5, 5, 0xff00000000000000), 0x100u);
}

TEST(IsLeaf, ObeysPageSizeWhereTheLevelHasIt) {
    const PagingFeatures plain;
    const PagingFeatures rich{.pse = true, .page_1g = true};
    EXPECT_TRUE(is_leaf(PagingMode::LEVEL4, 1, 0, plain));
    EXPECT_FALSE(is_leaf(PagingMode::BITS32, 2, pte::PS, plain));
    EXPECT_TRUE(is_leaf(PagingMode::BITS32, 2, pte::PS, rich));
    EXPECT_TRUE(is_leaf(PagingMode::PAE, 2, pte::PS, plain));
    EXPECT_FALSE(is_leaf(PagingMode::LEVEL4, 2, 0, plain));
    EXPECT_FALSE(is_leaf(PagingMode::LEVEL4, 3, pte::PS, plain));
    EXPECT_TRUE(is_leaf(PagingMode::LEVEL4, 3, pte::PS, rich));
    EXPECT_FALSE(is_leaf(PagingMode::LEVEL4, 4, pte::PS, rich));
}

TEST(LeafAddress, DropsTheOffsetBitsOfTheLevel) {
    EXPECT_EQ(leaf_address(PagingMode::LEVEL4, 1, 0x8000000123456fff), 0x123456000u);
    EXPECT_EQ(leaf_address(PagingMode::LEVEL4, 2, 0x1236010e7), 0x123600000u);
    EXPECT_EQ(leaf_address(PagingMode::LEVEL4, 3, 0x1c00000e7), 0x1c0000000u);
    // PSE-36: bits 20:13 of the entry are bits 39:32 of the address.
    EXPECT_EQ(leaf_address(PagingMode::BITS32, 2, 0x80402083), 0x0180400000u & 0x01ffc00000u);
    EXPECT_EQ(root_table(PagingMode::PAE, 0x1234567f), 0x12345660u);
    EXPECT_EQ(root_table(PagingMode::LEVEL4, 0x8000000012345fff), 0x12345000u);
}

TEST(ReservedBits, FollowTheTablesOf32BitPaging) {
    const PagingFeatures pse36{.physical_bits = 36, .pse = true};
    EXPECT_EQ(reserved_bits(PagingMode::BITS32, 1, 0xff, pse36), 0u);
    EXPECT_EQ(reserved_bits(PagingMode::BITS32, 2, 0, pse36), 0u);
    EXPECT_EQ(reserved_bits(PagingMode::BITS32, 2, pte::PS, pse36), bit_range(21, 17));
    const PagingFeatures wide{.physical_bits = 46, .pse = true};
    EXPECT_EQ(reserved_bits(PagingMode::BITS32, 2, pte::PS, wide), bit(21));
    const PagingFeatures old{.physical_bits = 32, .pse = true, .pse36 = false};
    EXPECT_EQ(reserved_bits(PagingMode::BITS32, 2, pte::PS, old), bit_range(21, 13));
}

TEST(ReservedBits, FollowTheTablesOfPaePaging) {
    const PagingFeatures no_nx{.physical_bits = 36};
    EXPECT_EQ(reserved_bits(PagingMode::PAE, 3, 0, no_nx), 0xfffffff0000001e6u);
    EXPECT_EQ(reserved_bits(PagingMode::PAE, 1, 0, no_nx), bit_range(63, 36));
    const PagingFeatures nx{.physical_bits = 36, .nxe = true};
    EXPECT_EQ(reserved_bits(PagingMode::PAE, 1, 0, nx), bit_range(62, 36));
    EXPECT_EQ(reserved_bits(PagingMode::PAE, 2, pte::PS, nx), bit_range(62, 36) | bit_range(20, 13));
}

TEST(ReservedBits, FollowTheTablesOf4LevelPaging) {
    const PagingFeatures nx{.physical_bits = 40, .nxe = true, .page_1g = true};
    const uint64_t address = bit_range(51, 40);
    EXPECT_EQ(reserved_bits(PagingMode::LEVEL4, 1, 0, nx), address);
    EXPECT_EQ(reserved_bits(PagingMode::LEVEL4, 2, pte::PS, nx), address | bit_range(20, 13));
    EXPECT_EQ(reserved_bits(PagingMode::LEVEL4, 2, 0, nx), address);
    EXPECT_EQ(reserved_bits(PagingMode::LEVEL4, 3, pte::PS, nx), address | bit_range(29, 13));
    EXPECT_EQ(reserved_bits(PagingMode::LEVEL4, 4, 0, nx), address | pte::PS);
    const PagingFeatures poor{.physical_bits = 52};
    EXPECT_EQ(reserved_bits(PagingMode::LEVEL4, 3, pte::PS, poor), pte::XD | pte::PS);
}

}  // namespace
}  // namespace vtless::x86
