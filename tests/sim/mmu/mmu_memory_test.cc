// SPDX-License-Identifier: MIT
// Bytes moved through translation.
#include <numeric>
#include <vector>

#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

using x86::PagingMode;

struct Guest {
    Guest() : tables(memory, PagingMode::LEVEL4), mmu(memory) {
        tables.map(Gva(0x5000), 0x20'0000 | kUserPage);
        tables.map(Gva(0x6000), 0x30'0000 | kUserPage);
        mmu.set_paging(tables.paging());
    }
    HostMemory memory = make_memory();
    GuestTables tables;
    Mmu mmu;
};

std::vector<std::byte> pattern(size_t bytes) {
    std::vector<std::byte> result(bytes);
    for (size_t i = 0; i < bytes; ++i) result[i] = static_cast<std::byte>(i * 7 + 1);
    return result;
}

TEST(MmuMemory, WriteAndReadCrossPages) {
    Guest guest;
    const auto written = pattern(32);
    ASSERT_FALSE(guest.mmu.write(Gva(0x5ff0), written, kUserWrite));
    EXPECT_EQ(std::memcmp(guest.memory.base() + 0x20'0ff0, written.data(), 16), 0);
    EXPECT_EQ(std::memcmp(guest.memory.base() + 0x30'0000, written.data() + 16, 16), 0);
    std::vector<std::byte> read(32);
    ASSERT_FALSE(guest.mmu.read(Gva(0x5ff0), read, kUserRead));
    EXPECT_EQ(read, written);
}

TEST(MmuMemory, WriteThatFaultsOnItsSecondPageMovesNothing) {
    Guest guest;
    const auto written = pattern(32);
    const MmuFault fault = guest.mmu.write(Gva(0x6ff0), written, kUserWrite);
    EXPECT_EQ(fault.kind, MmuFault::Kind::PageFault);
    EXPECT_EQ(fault.gva, Gva(0x7000));
    EXPECT_EQ(peek<uint64_t>(guest.memory, Hpa(0x30'0ff0)), 0u);
}

TEST(MmuMemory, WritesAreToldToTheListenerByHostAddress) {
    Guest guest;
    std::vector<std::pair<uint64_t, uint64_t>> seen;
    guest.memory.add_write_listener(
        [](void* context, Hpa first, uint64_t bytes) {
            if (first.value() >= 0x20'0000)  // not the accessed and dirty bits
                static_cast<decltype(seen)*>(context)->emplace_back(first.value(), bytes);
        },
        &seen);
    ASSERT_FALSE(guest.mmu.write(Gva(0x5ff8), pattern(16), kWrite));
    const decltype(seen) expected{{0x20'0ff8, 8}, {0x30'0000, 8}};
    EXPECT_EQ(seen, expected);
}

TEST(MmuMemory, OutsideRamReadsOnesAndLosesWrites) {
    Guest guest;
    guest.tables.map(Gva(0x8000), 0xfee0'0000 | kUserPage);
    ASSERT_FALSE(guest.mmu.write(Gva(0x8000), pattern(8), kWrite));
    std::vector<std::byte> read(8);
    ASSERT_FALSE(guest.mmu.read(Gva(0x8000), read, kRead));
    EXPECT_EQ(read, std::vector<std::byte>(8, std::byte{0xff}));
}

TEST(MmuMemory, FetchReturnsWhatThereIsBeforeTheFault) {
    Guest guest;
    const auto code = pattern(16);
    ASSERT_FALSE(guest.mmu.write(Gva(0x6ff0), code, kWrite));
    std::vector<std::byte> read(15);
    size_t fetched = 99;
    EXPECT_FALSE(guest.mmu.fetch(Gva(0x6ff0), read, kUserFetch, fetched));
    EXPECT_EQ(fetched, 15u);
    const MmuFault fault = guest.mmu.fetch(Gva(0x6ffc), read, kUserFetch, fetched);
    EXPECT_EQ(fault.gva, Gva(0x7000));
    EXPECT_EQ(fetched, 4u);
    EXPECT_EQ(read[3], code[15]);
    EXPECT_TRUE(guest.mmu.fetch(Gva(0x7000), read, kUserFetch, fetched));
    EXPECT_EQ(fetched, 0u);
}

TEST(MmuMemory, AccessWrapsAroundAt4GigabytesOutsideIa32e) {
    HostMemory memory = make_memory();
    Mmu mmu(memory);
    poke<uint32_t>(memory, Hpa(0), 0x11223344);
    std::vector<std::byte> read(8);
    ASSERT_FALSE(mmu.read(Gva(0xffff'fffc), read, kRead));
    EXPECT_EQ(read[4], std::byte{0x44});
}

TEST(MmuMemory, AccessAcrossTheCanonicalHoleIsNonCanonical) {
    Guest guest;
    guest.tables.map(Gva(0x7fff'ffff'f000), 0x20'0000 | kUserPage);
    std::vector<std::byte> read(16);
    EXPECT_EQ(guest.mmu.read(Gva(0x7fff'ffff'fff8), read, kRead).kind, MmuFault::Kind::NonCanonical);
}

}  // namespace
}  // namespace vtless::sim::test
