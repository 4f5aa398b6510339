// SPDX-License-Identifier: MIT
// What a walk remembers of where the guest's tables are. SDM Vol. 3C "Caching Translation Information"
// (29.4).
#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

namespace ept = x86::ept;
namespace pte = x86::pte;

constexpr uint64_t kGpaOffset = 0x1000'0000;  // guest-physical = host-physical + this
constexpr uint64_t kUsed = kUserPage | pte::A | pte::D;
constexpr Gva kNeighbour{0x6000};  // same tables as 0x5000, whose walk has come by them
constexpr Gva kAlias{0x9000};      // the lowest of these tables, as data

struct Guest {
    explicit Guest(bool accessed_dirty = false) : ept(memory, accessed_dirty), mmu(memory) {
        ept.map_range(Gpa(kGpaOffset), 0x100'0000, kGpaOffset);
        for (const Gva gva : {Gva(0x4000), Gva(0x5000), kNeighbour}) tables.map(gva, gpa_of(gva) | kUsed);
        tables.map(kAlias, table().value() | kUsed);
        mmu.set_paging(tables.paging());
        mmu.set_ept(ept.eptp());
        EXPECT_FALSE(translate(Gva(0x4000), kRead));  // sets the flags that are not set yet
        EXPECT_FALSE(translate(Gva(0x5000), kRead));
    }
    static uint64_t gpa_of(Gva gva) { return gva.value() + kGpaOffset + 0x80'0000; }
    Gpa table() { return Gpa(tables.entry(kNeighbour).page().value() + kGpaOffset); }
    bool translate(Gva gva, Access access) {
        fault = mmu.translate(gva, access, result);
        return static_cast<bool>(fault);
    }
    // EPT maps the lowest table to a copy, in which the neighbour is kMoved.
    void move_table() {
        Hpa copy;
        ASSERT_TRUE(memory.allocate_frame(copy));
        std::memcpy(memory.base() + copy.value(), memory.base() + table().value() - kGpaOffset, 4096);
        poke(memory, copy + kNeighbour.frame_number() * 8, kMoved.value() | kUsed);
        ept.map(table(), copy.value() | ept::RWX | EptTables::kWriteBack);
    }

    static constexpr Gpa kMoved{kGpaOffset + 0x90'0000};
    HostMemory memory = make_memory();
    EptTables ept;
    GuestTables tables{memory, x86::PagingMode::LEVEL4, kGpaOffset};
    Mmu mmu;
    Translation result;
    MmuFault fault;
};

TEST(MmuTableCache, ReferencesAreCountedAsIfEveryTableHadBeenLookedUp) {
    Guest guest;
    const uint64_t before = guest.mmu.counters().references;
    ASSERT_FALSE(guest.translate(kNeighbour, kRead));
    EXPECT_EQ(guest.mmu.counters().references - before, 24u);
}

TEST(MmuTableCache, WhatTheTablesSayIsReadEachTime) {
    Guest guest;
    guest.tables.map(kNeighbour, Guest::kMoved.value() | kUsed);
    ASSERT_FALSE(guest.translate(kNeighbour, kRead));
    EXPECT_EQ(guest.result.gpa, Guest::kMoved);
}

TEST(MmuTableCache, EachFlushFindsTablesThatEptHasMoved) {
    for (const bool accessed_dirty : {false, true}) {
        for (int flush = 0; flush < 5; ++flush) {
            Guest guest(accessed_dirty);
            guest.move_table();
            if (flush == 0) guest.mmu.forget_all();
            if (flush == 1) guest.mmu.flush_all();
            if (flush == 2) guest.mmu.flush_non_global();
            if (flush == 3) guest.mmu.flush_page(kNeighbour);
            if (flush == 4) {
                EptTables other(guest.memory, accessed_dirty);
                guest.mmu.set_ept(other.eptp());
                guest.mmu.set_ept(guest.ept.eptp());
            }
            ASSERT_FALSE(guest.translate(kNeighbour, kRead));
            EXPECT_EQ(guest.result.gpa, Guest::kMoved) << flush;
        }
    }
}

// As on silicon, where only INVEPT makes sure.
TEST(MmuTableCache, WithoutAFlushAMovedTableMayBeUsedWhereItWas) {
    Guest guest;
    guest.move_table();
    ASSERT_FALSE(guest.translate(kNeighbour, kRead));
    EXPECT_EQ(guest.result.gpa, Gpa(Guest::gpa_of(kNeighbour)));
}

// Copy on write: the violation drops the mapping, and no INVEPT is due.
TEST(MmuTableCache, AViolationForgetsWhereTheTableWas) {
    Guest guest;
    const uint64_t shared = guest.table().value() - kGpaOffset;
    guest.ept.map(guest.table(), shared | ept::READ | EptTables::kWriteBack);
    guest.mmu.forget_all();
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));  // by tables that can be read
    ASSERT_TRUE(guest.translate(kAlias, kWrite));
    ASSERT_EQ(guest.fault.kind, MmuFault::Kind::EptViolation);
    ASSERT_EQ(guest.fault.gpa, guest.table());
    guest.move_table();
    ASSERT_FALSE(guest.translate(kNeighbour, kRead));
    EXPECT_EQ(guest.result.gpa, Guest::kMoved);
}

TEST(MmuTableCache, AViolationWithoutALinearAddressForgetsToo) {
    Guest guest;
    guest.ept.map(guest.table(), 0);
    ASSERT_TRUE(guest.mmu.translate_physical(guest.table(), AccessType::Read, guest.result));
    guest.move_table();
    ASSERT_FALSE(guest.translate(kNeighbour, kRead));
    EXPECT_EQ(guest.result.gpa, Guest::kMoved);
}

TEST(MmuTableCache, APageFaultForgetsNoTable) {
    Guest guest;
    ASSERT_TRUE(guest.translate(Gva(0x7000), kRead));
    ASSERT_EQ(guest.fault.kind, MmuFault::Kind::PageFault);
    guest.move_table();
    ASSERT_FALSE(guest.translate(kNeighbour, kRead));
    EXPECT_EQ(guest.result.gpa, Gpa(Guest::gpa_of(kNeighbour)));
}

}  // namespace
}  // namespace vtless::sim::test
