// SPDX-License-Identifier: MIT
#include "isa/x86/ept.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace vtless::x86 {
namespace {

constexpr uint64_t kWriteBack = 6u << 3;

static_assert(Eptp::make(0x12345000).raw == 0x1234501e);
static_assert(Eptp::make(0x12345000, 5, true).raw == 0x12345066);
static_assert(Eptp{0x1234505e}.walk_length() == 4 && Eptp{0x1234505e}.accessed_dirty());
static_assert(Eptp{0x1234505e}.root() == 0x12345000 && Eptp{0x1234505e}.memory_type() == MemoryType::WB);

struct Case {
    const char* why;
    unsigned level;
    uint64_t entry;
    bool misconfigured;
};

void expect(const EptFeatures& features, std::initializer_list<Case> cases) {
    for (const Case& c : cases)
        EXPECT_EQ(ept::is_misconfigured(c.level, c.entry, features), c.misconfigured)
            << c.why << ": level " << c.level << " entry " << std::hex << c.entry;
}

TEST(EptMisconfiguration, FollowsTheManualsConditions) {
    expect(
        EptFeatures{.physical_bits = 40},
        {{"not present, whatever else", 1, ~uint64_t{7}, false},
         {"write-back leaf", 1, 0x1000 | ept::RWX | kWriteBack, false},
         {"write without read", 1, 0x1000 | ept::WRITE | kWriteBack, true},
         {"write and execute without read", 1, 0x1000 | ept::WRITE | ept::EXECUTE | kWriteBack, true},
         {"execute-only, not supported", 1, 0x1000 | ept::EXECUTE | kWriteBack, true},
         {"memory type 2", 1, 0x1000 | ept::READ | 2u << 3, true},
         {"memory type 3", 1, 0x1000 | ept::READ | 3u << 3, true},
         {"memory type 7", 1, 0x1000 | ept::READ | 7u << 3, true},
         {"uncacheable", 1, 0x1000 | ept::READ, false},
         {"address too wide", 1, bit(40) | ept::READ, true},
         {"widest address", 1, bit(39) | ept::READ, false},
         {"table", 4, 0x1000 | ept::RWX, false},
         {"bit 7 at level 4", 4, 0x1000 | ept::RWX | ept::LARGE, true},
         {"bit 3 of a table entry", 2, 0x1000 | ept::RWX | bit(3), true},
         {"bit 6 of a table entry", 3, 0x1000 | ept::RWX | bit(6), true},
         {"2-MiB page", 2, 0x200000 | ept::RWX | ept::LARGE | kWriteBack, false},
         {"2-MiB page, unaligned", 2, 0x201000 | ept::RWX | ept::LARGE | kWriteBack, true},
         {"1-GiB page", 3, 0x40000000 | ept::RWX | ept::LARGE | kWriteBack, false},
         {"1-GiB page, unaligned", 3, 0x40200000 | ept::RWX | ept::LARGE | kWriteBack, true},
         {"ignored bits", 1, 0x1000 | ept::RWX | kWriteBack | bit(11) | bit(55) | ept::SUPPRESS_VE, false}});
}

TEST(EptMisconfiguration, DependsOnTheCapabilities) {
    expect(EptFeatures{.execute_only = true},
           {{"execute-only", 1, 0x1000 | ept::EXECUTE | kWriteBack, false},
            {"write without read", 1, 0x1000 | ept::WRITE | kWriteBack, true}});
    expect(EptFeatures{.page_2m = false, .page_1g = false},
           {{"2-MiB page", 2, 0x200000 | ept::RWX | ept::LARGE | kWriteBack, true},
            {"1-GiB page", 3, 0x40000000 | ept::RWX | ept::LARGE | kWriteBack, true}});
    const uint64_t user_execute_only = 0x1000 | ept::USER_EXECUTE | kWriteBack;
    expect(EptFeatures{}, {{"bit 10 alone is not present", 1, user_execute_only, false}});
    expect(EptFeatures{.mode_based_execute = true}, {{"user execute-only", 1, user_execute_only, true}});
    expect(EptFeatures{.execute_only = true, .mode_based_execute = true},
           {{"user execute-only", 1, user_execute_only, false}});
}

TEST(EptEntry, GivesTheAddressOfItsLevel) {
    EXPECT_EQ(ept::leaf_address(2, 0x12340000b7), 0x1234000000u);
    EXPECT_EQ(ept::leaf_address(1, 0x8000000123456f37), 0x123456000u);
    EXPECT_EQ(ept::table_index(4, bit(39) * 3), 3u);
    EXPECT_EQ(ept::table_index(1, 0x1ff000), 0x1ffu);
}

}  // namespace
}  // namespace vtless::x86
