// SPDX-License-Identifier: MIT
// What Mmu remembers, and what makes it forget.
#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

namespace pte = x86::pte;
using x86::PagingMode;

struct Guest {
    explicit Guest(PagingMode mode = PagingMode::LEVEL4) : tables(memory, mode), mmu(memory) {}
    void start() { mmu.set_paging(tables.paging()); }
    MmuFault translate(Gva gva, Access access) { return mmu.translate(gva, access, result); }
    Gpa gpa_of(Gva gva) {
        EXPECT_FALSE(translate(gva, kRead));
        return result.gpa;
    }

    HostMemory memory = make_memory();
    GuestTables tables;
    Mmu mmu;
    Translation result;
};

TEST(MmuTlb, RepeatedFillGivesTheSameAnswerAndSetsNothingAgain) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);
    guest.start();
    ASSERT_FALSE(guest.translate(Gva(0x5000), kWrite));
    guest.tables.map(Gva(0x5000), 0x456000 | kUserPage);  // clears A and D, moves the page
    ASSERT_FALSE(guest.translate(Gva(0x5678), kRead));
    EXPECT_EQ(guest.result.gpa, Gpa(0x123678));
    EXPECT_TRUE(guest.result.writable);
    EXPECT_EQ(guest.tables.read(guest.tables.entry(Gva(0x5000))) & (pte::A | pte::D), 0u);
    EXPECT_EQ(guest.mmu.counters().walks, 1u);
    guest.mmu.flush_all();
    EXPECT_EQ(guest.gpa_of(Gva(0x5678)), Gpa(0x456678));
    EXPECT_NE(guest.tables.read(guest.tables.entry(Gva(0x5000))) & pte::A, 0u);
}

TEST(MmuTlb, MissingPermissionWalksAgainBeforeItFaults) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | pte::P);
    guest.start();
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);  // more rights need no flush
    EXPECT_FALSE(guest.translate(Gva(0x5000), kUserWrite));
    EXPECT_TRUE(guest.result.writable);
}

TEST(MmuTlb, PageFaultForgetsThePage) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | pte::P);
    guest.start();
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    guest.tables.map(Gva(0x5000), 0x456000 | pte::P);
    EXPECT_TRUE(guest.translate(Gva(0x5000), kUserRead));
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x456000));
}

TEST(MmuTlb, ControlBitsApplyToCachedPagesAtOnce) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | pte::P | pte::US | pte::A | pte::D);
    guest.start();
    PagingState paging = guest.tables.paging();
    paging.cr0 &= ~x86::cr0::WP;
    guest.mmu.set_paging(paging);
    ASSERT_FALSE(guest.translate(Gva(0x5000), kWrite));
    guest.start();
    EXPECT_TRUE(guest.translate(Gva(0x5000), kWrite)) << "CR0.WP";
    ASSERT_FALSE(guest.translate(Gva(0x5000), kFetch));
    paging = guest.tables.paging();
    paging.cr4 |= x86::cr4::SMEP | x86::cr4::SMAP;
    guest.mmu.set_paging(paging);
    EXPECT_TRUE(guest.translate(Gva(0x5000), kFetch)) << "CR4.SMEP";
    EXPECT_TRUE(guest.translate(Gva(0x5000), kRead)) << "CR4.SMAP";
}

TEST(MmuTlb, MovToCr3KeepsGlobalPagesOnly) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage | pte::G);
    guest.tables.map(Gva(0x6000), 0x124000 | kUserPage);
    guest.start();
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x123000));
    EXPECT_EQ(guest.gpa_of(Gva(0x6000)), Gpa(0x124000));
    guest.tables.map(Gva(0x5000), 0x223000 | kUserPage | pte::G);
    guest.tables.map(Gva(0x6000), 0x224000 | kUserPage);
    guest.mmu.flush_non_global();
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x123000));
    EXPECT_EQ(guest.gpa_of(Gva(0x6000)), Gpa(0x224000));
    guest.mmu.flush_all();
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x223000));
}

TEST(MmuTlb, WithoutPgeNothingIsGlobal) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage | pte::G);
    PagingState paging = guest.tables.paging();
    paging.cr4 &= ~x86::cr4::PGE;
    guest.mmu.set_paging(paging);
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x123000));
    guest.tables.map(Gva(0x5000), 0x223000 | kUserPage | pte::G);
    guest.mmu.flush_non_global();
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x223000));
}

TEST(MmuTlb, InvlpgForgetsOnePageGlobalOrNot) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage | pte::G);
    guest.tables.map(Gva(0x6000), 0x124000 | kUserPage);
    guest.start();
    guest.gpa_of(Gva(0x5000));
    guest.gpa_of(Gva(0x6000));
    guest.tables.map(Gva(0x5000), 0x223000 | kUserPage | pte::G);
    guest.tables.map(Gva(0x6000), 0x224000 | kUserPage);
    guest.mmu.flush_page(Gva(0x5fff));
    EXPECT_EQ(guest.gpa_of(Gva(0x5000)), Gpa(0x223000));
    EXPECT_EQ(guest.gpa_of(Gva(0x6000)), Gpa(0x124000));
}

TEST(MmuTlb, InvlpgForgetsAllOfALargePageAndNothingBesides) {
    struct Row {
        PagingMode mode;
        unsigned level;
        uint64_t page_size;
    };
    const Row rows[] = {{PagingMode::LEVEL4, 2, 0x20'0000},
                        {PagingMode::BITS32, 2, 0x40'0000},
                        {PagingMode::PAE, 2, 0x20'0000},
                        {PagingMode::LEVEL4, 3, 0x4000'0000}};
    for (const Row& row : rows) {
        Guest guest(row.mode);
        const Gva base(row.page_size), beside(0xf000);
        guest.tables.map(base, kUserPage | pte::PS, row.level);
        guest.tables.map(beside, 0x123000 | kUserPage);
        guest.start();
        const Gva pages[] = {base, base + 0x5000, base + (row.page_size - 1)};
        for (const Gva page : pages) guest.gpa_of(page);
        guest.gpa_of(beside);
        guest.tables.map(base, row.page_size | kUserPage | pte::PS, row.level);
        guest.tables.map(beside, 0x223000 | kUserPage);
        guest.mmu.flush_page(base + 0x7123);  // a page of it that was never touched
        for (const Gva page : pages) EXPECT_GE(guest.gpa_of(page), Gpa(row.page_size)) << row.page_size;
        EXPECT_EQ(guest.gpa_of(beside), Gpa(0x123000));
    }
}

TEST(MmuTlb, AnotherEptpForgetsEverythingTheSameNothing) {
    Guest guest;
    EptTables first(guest.memory), second(guest.memory);
    first.map(Gpa(0x5000), 0x7000 | x86::ept::RWX | EptTables::kWriteBack);
    second.map(Gpa(0x5000), 0x8000 | x86::ept::RWX | EptTables::kWriteBack);
    guest.mmu.set_ept(first.eptp());
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    EXPECT_EQ(guest.result.hpa, Hpa(0x7000));
    guest.mmu.set_ept(second.eptp());
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    EXPECT_EQ(guest.result.hpa, Hpa(0x8000));
    const uint64_t generation = guest.mmu.generation();
    guest.mmu.set_ept(second.eptp());
    EXPECT_EQ(guest.mmu.generation(), generation);
    EXPECT_EQ(guest.mmu.ept(), second.eptp());
}

TEST(MmuTlb, FlushGuestPhysicalSeesAChangedEptEntry) {
    Guest guest;
    EptTables tables(guest.memory);
    tables.map(Gpa(0x5000), 0x7000 | x86::ept::RWX | EptTables::kWriteBack);
    guest.mmu.set_ept(tables.eptp());
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    tables.map(Gpa(0x5000), 0x8000 | x86::ept::RWX | EptTables::kWriteBack);
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    EXPECT_EQ(guest.result.hpa, Hpa(0x7000));
    guest.mmu.forget_all();
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    EXPECT_EQ(guest.result.hpa, Hpa(0x8000));
}

TEST(MmuTlb, EachFlushChangesTheGeneration) {
    Guest guest;
    uint64_t last = guest.mmu.generation();
    const auto changed = [&] {
        return std::exchange(last, guest.mmu.generation()) != guest.mmu.generation();
    };
    guest.mmu.flush_all();
    EXPECT_TRUE(changed());
    guest.mmu.flush_non_global();
    EXPECT_TRUE(changed());
    guest.mmu.flush_page(Gva(0));
    EXPECT_TRUE(changed());
    guest.mmu.forget_all();
    EXPECT_TRUE(changed());
    EXPECT_FALSE(changed());
}

TEST(MmuTlb, HoldsEveryPageHoweverMany) {
    Guest guest;
    constexpr uint64_t kPages = 30'000;
    for (uint64_t page = 0; page < kPages; ++page) {
        guest.tables.map(Gva(0x1000'0000 + page * 4096), (page % 1000) << 12 | kUserPage);
    }
    guest.start();
    for (int round = 0; round < 3; ++round) {
        for (uint64_t page = 0; page < kPages; ++page) guest.gpa_of(Gva(0x1000'0000 + page * 4096));
    }
    EXPECT_EQ(guest.mmu.counters().walks, kPages);
    for (int flush = 0; flush < 20; ++flush) {
        guest.mmu.flush_non_global();
        for (uint64_t page = 0; page < kPages; page += 7)
            EXPECT_EQ(guest.gpa_of(Gva(0x1000'0000 + page * 4096)), Gpa((page % 1000) << 12));
    }
}

TEST(MmuTlb, ProbeSeesMemoryAsItIsAndLeavesNoMark) {
    Guest guest;
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);
    guest.start();
    Translation result;
    ASSERT_FALSE(guest.mmu.probe(Gva(0x5678), kWrite, result));
    EXPECT_EQ(result.gpa, Gpa(0x123678));
    EXPECT_TRUE(result.writable);
    EXPECT_EQ(guest.tables.read(guest.tables.entry(Gva(0x5000))) & (pte::A | pte::D), 0u);
    EXPECT_EQ(guest.mmu.counters().walks, 0u);
    EXPECT_EQ(guest.mmu.probe(Gva(0x9000), kWrite, result).error_code, x86::page_fault::WR);
}

}  // namespace
}  // namespace vtless::sim::test
