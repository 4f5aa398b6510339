// SPDX-License-Identifier: MIT
// The guest's own paging, without EPT. SDM Vol. 3A "Paging" (4).
#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

namespace pte = x86::pte;
namespace pf = x86::page_fault;
using x86::PagingMode;

struct Guest {
    explicit Guest(PagingMode mode) : tables(memory, mode), mmu(memory) {}
    void start() { mmu.set_paging(tables.paging()); }
    MmuFault translate(Gva gva, Access access) { return mmu.translate(gva, access, result); }

    HostMemory memory = make_memory();
    GuestTables tables;
    Mmu mmu;
    Translation result;
};

class MmuPagingMode : public testing::TestWithParam<PagingMode> {};

TEST_P(MmuPagingMode, PageMapsItsBytes) {
    Guest guest(GetParam());
    guest.tables.map(Gva(0x40'5000), 0x123000 | kUserPage);
    guest.start();
    ASSERT_FALSE(guest.translate(Gva(0x40'5678), kUserRead));
    EXPECT_EQ(guest.result.gpa, Gpa(0x123678));
    EXPECT_EQ(guest.result.hpa, Hpa(0x123678));
    EXPECT_EQ(guest.result.page_size, 4096u);
    EXPECT_TRUE(guest.result.user);
    EXPECT_TRUE(guest.result.backed);
    EXPECT_FALSE(guest.result.writable) << "the dirty bit is not set yet";
    EXPECT_TRUE(guest.result.executable);
}

TEST_P(MmuPagingMode, ReadSetsAccessedAtEachLevelAndWriteSetsDirtyInTheLeaf) {
    Guest guest(GetParam());
    guest.tables.map(Gva(0x40'5000), 0x123000 | kUserPage);
    guest.start();
    const unsigned top = GetParam() == PagingMode::PAE ? 2 : x86::levels(GetParam());
    ASSERT_FALSE(guest.translate(Gva(0x40'5678), kRead));
    for (unsigned level = 1; level <= top; ++level)
        EXPECT_EQ(guest.tables.read(guest.tables.entry(Gva(0x40'5000), level)) & (pte::A | pte::D), pte::A)
            << level;
    ASSERT_FALSE(guest.translate(Gva(0x40'5678), kWrite));
    EXPECT_TRUE(guest.result.writable);
    EXPECT_EQ(guest.tables.read(guest.tables.entry(Gva(0x40'5000))) & (pte::A | pte::D), pte::A | pte::D);
    EXPECT_EQ(guest.tables.read(guest.tables.entry(Gva(0x40'5000), 2)) & pte::D, 0u);
}

TEST_P(MmuPagingMode, AbsentEntryAtEachLevelIsAPageFaultThatSetsNothing) {
    const unsigned top = x86::levels(GetParam());
    for (unsigned level = 1; level <= top; ++level) {
        Guest guest(GetParam());
        const Gva gva(0x40'5678);
        guest.tables.map(gva, 0x123000 | kUserPage);
        guest.tables.map(gva, 0, level);
        guest.start();
        const MmuFault fault = guest.translate(gva, kUserWrite);
        EXPECT_EQ(fault.kind, MmuFault::Kind::PageFault) << level;
        EXPECT_EQ(fault.error_code, pf::US | pf::WR) << level;
        EXPECT_EQ(fault.gva, gva);
        if (level < top - 1) {
            EXPECT_EQ(guest.tables.read(guest.tables.entry(gva, level + 1)) & pte::A, 0u);
        }
    }
}

TEST_P(MmuPagingMode, LargePageMapsItsBytes) {
    Guest guest(GetParam());
    const bool four_megabytes = GetParam() == PagingMode::BITS32;
    guest.tables.map(Gva(0x80'0000), 0x40'0000 | kUserPage | pte::PS, 2);
    guest.start();
    ASSERT_FALSE(guest.translate(Gva(0x81'2345), kUserWrite));
    EXPECT_EQ(guest.result.gpa, Gpa(0x41'2345));
    EXPECT_EQ(guest.result.page_size, four_megabytes ? 0x40'0000u : 0x20'0000u);
    EXPECT_NE(guest.tables.read(guest.tables.entry(Gva(0x80'0000), 2)) & pte::D, 0u);
}

TEST_P(MmuPagingMode, RightsAreThoseThatEachLevelGrants) {
    struct Row {
        uint64_t leaf, above;
        Access access;
        uint32_t error;  // 0: allowed
    };
    const uint64_t kOnlyRead = pte::P | pte::US, kOnlyKernel = pte::P | pte::RW;
    const Row rows[] = {
        {kUserPage, kUserPage, kUserWrite, 0},
        {kOnlyRead, kUserPage, kUserRead, 0},
        {kOnlyRead, kUserPage, kUserWrite, pf::P | pf::WR | pf::US},
        {kUserPage, kOnlyRead, kUserWrite, pf::P | pf::WR | pf::US},
        {kOnlyKernel, kUserPage, kUserRead, pf::P | pf::US},
        {kUserPage, kOnlyKernel, kUserRead, pf::P | pf::US},
        {kOnlyKernel, kUserPage, kRead, 0},
        {kOnlyKernel, kUserPage, kWrite, 0},
        {kOnlyRead, kUserPage, kWrite, pf::P | pf::WR},  // CR0.WP = 1
        {kUserPage, kUserPage, kFetch, 0},               // CR4.SMEP = 0
        {kUserPage, kUserPage, kUserFetch, 0},
    };
    for (const Row& row : rows) {
        Guest guest(GetParam());
        const Gva gva(0x40'5000);
        guest.tables.map(gva, 0x123000 | row.leaf);
        const Hpa above = guest.tables.entry(gva, 2);
        guest.tables.write(above, (guest.tables.read(above) & ~kUserPage) | row.above);
        guest.start();
        const MmuFault fault = guest.translate(gva, row.access);
        EXPECT_EQ(fault.kind, row.error != 0 ? MmuFault::Kind::PageFault : MmuFault::Kind::None)
            << &row - rows;
        EXPECT_EQ(fault.error_code, row.error) << &row - rows;
        if (row.error != 0) {
            EXPECT_EQ(guest.tables.read(guest.tables.entry(gva)) & pte::A, 0u) << "no use, no A";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Modes, MmuPagingMode,
                         testing::Values(PagingMode::BITS32, PagingMode::PAE, PagingMode::LEVEL4,
                                         PagingMode::LEVEL5));

TEST(MmuPaging, NoneIsTheIdentityCutTo32Bits) {
    HostMemory memory = make_memory();
    Mmu mmu(memory);
    Translation result;
    ASSERT_FALSE(mmu.translate(Gva(0x1'0012'3456), kUserWrite, result));
    EXPECT_EQ(result.gpa, Gpa(0x12'3456));
    EXPECT_TRUE(result.writable);
    EXPECT_TRUE(result.executable);
    ASSERT_FALSE(mmu.translate(Gva(0xfee0'0000), kRead, result));
    EXPECT_FALSE(result.backed);
}

TEST(MmuPaging, WithoutWriteProtectSupervisorWritesReadOnlyPagesAndUserDoesNot) {
    Guest guest(PagingMode::LEVEL4);
    guest.tables.map(Gva(0x5000), 0x123000 | pte::P | pte::US);
    PagingState paging = guest.tables.paging();
    paging.cr0 &= ~x86::cr0::WP;
    guest.mmu.set_paging(paging);
    EXPECT_FALSE(guest.translate(Gva(0x5000), kWrite));
    EXPECT_TRUE(guest.result.writable);
    EXPECT_EQ(guest.translate(Gva(0x5000), kUserWrite).error_code, pf::P | pf::WR | pf::US);
    ASSERT_FALSE(guest.translate(Gva(0x5000), kUserRead));
    EXPECT_FALSE(guest.result.writable) << "for user mode";
}

TEST(MmuPaging, ExecuteDisableFaultsFetchesWithTheFetchFlag) {
    for (const PagingMode mode : {PagingMode::PAE, PagingMode::LEVEL4, PagingMode::LEVEL5}) {
        Guest guest(mode);
        guest.tables.map(Gva(0x5000), 0x123000 | kUserPage | pte::XD);
        guest.start();
        EXPECT_EQ(guest.translate(Gva(0x5000), kUserFetch).error_code, pf::P | pf::US | pf::ID);
        ASSERT_FALSE(guest.translate(Gva(0x5000), kUserRead));
        EXPECT_FALSE(guest.result.executable);
    }
}

TEST(MmuPaging, ExecuteDisableIsReservedWithoutNxe) {
    Guest guest(PagingMode::LEVEL4);
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage | pte::XD);
    PagingState paging = guest.tables.paging();
    paging.efer &= ~x86::efer::NXE;
    guest.mmu.set_paging(paging);
    EXPECT_EQ(guest.translate(Gva(0x5000), kRead).error_code, pf::P | pf::RSVD);
    EXPECT_EQ(guest.translate(Gva(0x5000), kFetch).error_code, pf::P | pf::RSVD)
        << "no fetch flag without NXE";
}

TEST(MmuPaging, FetchFlagIsThereWithSmepEvenWithoutNxe) {
    Guest guest(PagingMode::BITS32);
    PagingState paging = guest.tables.paging();
    paging.cr4 |= x86::cr4::SMEP;
    guest.mmu.set_paging(paging);
    EXPECT_EQ(guest.translate(Gva(0x5000), kFetch).error_code, pf::ID);
}

TEST(MmuPaging, SmepForbidsSupervisorFetchesOfUserPages) {
    Guest guest(PagingMode::LEVEL4);
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);
    guest.tables.map(Gva(0x6000), 0x124000 | kKernelPage);
    PagingState paging = guest.tables.paging();
    paging.cr4 |= x86::cr4::SMEP;
    guest.mmu.set_paging(paging);
    EXPECT_EQ(guest.translate(Gva(0x5000), kFetch).error_code, pf::P | pf::ID);
    EXPECT_FALSE(guest.translate(Gva(0x5000), kUserFetch));
    EXPECT_FALSE(guest.translate(Gva(0x6000), kFetch));
    ASSERT_FALSE(guest.translate(Gva(0x5000), kRead));
    EXPECT_FALSE(guest.result.executable);
}

TEST(MmuPaging, SmapForbidsSupervisorDataAccessesToUserPagesUnlessAc) {
    Guest guest(PagingMode::LEVEL4);
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);
    PagingState paging = guest.tables.paging();
    paging.cr4 |= x86::cr4::SMAP;
    guest.mmu.set_paging(paging);
    EXPECT_EQ(guest.translate(Gva(0x5000), kRead).error_code, pf::P);
    EXPECT_EQ(guest.translate(Gva(0x5000), kWrite).error_code, pf::P | pf::WR);
    EXPECT_FALSE(guest.translate(Gva(0x5000), {AccessType::Write, false, true, false}));
    EXPECT_EQ(guest.translate(Gva(0x5000), {AccessType::Read, false, true, true}).error_code, pf::P)
        << "AC does not help implicit accesses";
    EXPECT_FALSE(guest.translate(Gva(0x5000), kUserWrite));
    EXPECT_FALSE(guest.translate(Gva(0x5000), kFetch)) << "SMAP is about data";
}

TEST(MmuPaging, ReservedBitsFaultWhoeverAsks) {
    struct Row {
        PagingMode mode;
        unsigned level;
        uint64_t entry;
    };
    const Row rows[] = {
        {PagingMode::BITS32, 2, kUserPage | pte::PS | bit(21)},
        {PagingMode::PAE, 1, kUserPage | bit(40)},
        {PagingMode::PAE, 1, kUserPage | bit(62)},
        {PagingMode::PAE, 2, kUserPage | pte::PS | bit(13)},
        {PagingMode::LEVEL4, 1, kUserPage | bit(40)},
        {PagingMode::LEVEL4, 2, kUserPage | pte::PS | bit(20)},
        {PagingMode::LEVEL4, 3, kUserPage | pte::PS | bit(29)},
        {PagingMode::LEVEL4, 4, kUserPage | pte::PS},
        {PagingMode::LEVEL4, 4, kUserPage | bit(51)},
        {PagingMode::LEVEL5, 5, kUserPage | pte::PS},
    };
    for (const Row& row : rows) {
        Guest guest(row.mode);
        guest.tables.map(Gva(0x5000), row.entry, row.level);
        guest.start();
        EXPECT_EQ(guest.translate(Gva(0x5000), kRead).error_code, pf::P | pf::RSVD) << &row - rows;
        EXPECT_EQ(guest.translate(Gva(0x5000), kUserWrite).error_code, pf::P | pf::RSVD | pf::US | pf::WR);
    }
}

TEST(MmuPaging, Pse36GivesA4MegabytePageItsUpperAddressBits) {
    Guest guest(PagingMode::BITS32);
    guest.tables.map(Gva(0x40'0000), 0x40'0000 | kUserPage | pte::PS | (uint64_t{3} << 13), 2);
    guest.start();
    ASSERT_FALSE(guest.translate(Gva(0x40'1234), kRead));
    EXPECT_EQ(guest.result.gpa, Gpa(0x3'0040'1234));
    EXPECT_FALSE(guest.result.backed);
}

TEST(MmuPaging, WithoutPseThePageSizeBitIsIgnored) {
    Guest guest(PagingMode::BITS32);
    guest.tables.map(Gva(0x40'1000), 0x123000 | kUserPage);
    const Hpa directory = guest.tables.entry(Gva(0x40'1000), 2);
    guest.tables.write(directory, guest.tables.read(directory) | pte::PS);
    PagingState paging = guest.tables.paging();
    paging.cr4 &= ~x86::cr4::PSE;
    guest.mmu.set_paging(paging);
    ASSERT_FALSE(guest.translate(Gva(0x40'1234), kRead));
    EXPECT_EQ(guest.result.gpa, Gpa(0x123234));
}

TEST(MmuPaging, GigabytePagesAreReservedOnAProcessorWithoutThem) {
    HostMemory memory = make_memory();
    GuestTables tables(memory, PagingMode::LEVEL4);
    tables.map(Gva(0x4000'0000), kUserPage | pte::PS, 3);
    Translation result;
    Mmu with(memory);
    with.set_paging(tables.paging());
    ASSERT_FALSE(with.translate(Gva(0x4012'3456), kRead, result));
    EXPECT_EQ(result.gpa, Gpa(0x12'3456));
    EXPECT_EQ(result.page_size, uint64_t{1} << 30);
    MmuConfig config;
    config.guest_1g_pages = false;
    Mmu without(memory, config);
    without.set_paging(tables.paging());
    EXPECT_EQ(without.translate(Gva(0x4012'3456), kRead, result).error_code, pf::P | pf::RSVD);
}

TEST(MmuPaging, PaeUsesThePdpteRegistersNotMemory) {
    Guest guest(PagingMode::PAE);
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);
    guest.start();
    guest.tables.map(Gva(0x5000), 0, 3);  // memory changes, the register does not
    EXPECT_FALSE(guest.translate(Gva(0x5000), kRead));
    PagingState paging = guest.mmu.paging();
    paging.pdptes[0] = 0;
    guest.mmu.set_paging(paging);
    guest.mmu.flush_all();
    EXPECT_EQ(guest.translate(Gva(0x5000), kRead).error_code, 0u);
}

TEST(MmuPaging, PdptesAreReadFromCr3AndChecked) {
    Guest guest(PagingMode::PAE);
    guest.tables.map(Gva(0x5000), 0x123000 | kUserPage);
    std::array<uint64_t, 4> pdptes{};
    ASSERT_FALSE(guest.mmu.read_pdptes(guest.tables.cr3(), pdptes));
    EXPECT_EQ(pdptes, guest.tables.paging().pdptes);
    EXPECT_TRUE(guest.mmu.pdptes_valid(pdptes));
    pdptes[3] = pte::P | pte::RW;
    EXPECT_FALSE(guest.mmu.pdptes_valid(pdptes));
    pdptes[3] = pte::RW;  // not present
    EXPECT_TRUE(guest.mmu.pdptes_valid(pdptes));
    pdptes[2] = pte::P | bit(40);
    EXPECT_FALSE(guest.mmu.pdptes_valid(pdptes));
}

TEST(MmuPaging, NonCanonicalAddressesAreNotPageFaults) {
    Guest guest(PagingMode::LEVEL4);
    guest.start();
    EXPECT_EQ(guest.translate(Gva(0x8000'0000'0000), kRead).kind, MmuFault::Kind::NonCanonical);
    EXPECT_EQ(guest.translate(Gva(0xffff'8000'0000'0000), kRead).kind, MmuFault::Kind::PageFault);
    Guest wide(PagingMode::LEVEL5);
    wide.start();
    EXPECT_EQ(wide.translate(Gva(0x8000'0000'0000), kRead).kind, MmuFault::Kind::PageFault);
    EXPECT_EQ(wide.translate(Gva(0x0100'0000'0000'0000), kRead).kind, MmuFault::Kind::NonCanonical);
}

TEST(MmuPaging, TablesOutsideRamFaultAndNeverCrash) {
    for (const PagingMode mode :
         {PagingMode::BITS32, PagingMode::PAE, PagingMode::LEVEL4, PagingMode::LEVEL5}) {
        Guest guest(mode);
        PagingState paging = guest.tables.paging();
        paging.cr3 = 0xffff'ffff'f000;
        paging.pdptes.fill(0xff'ffff'f001);
        guest.mmu.set_paging(paging);
        for (uint64_t gva = 0; gva < 0x1'0000'0000; gva += 0x0123'4567) {
            const MmuFault fault = guest.translate(Gva(gva), kWrite);
            if (mode != PagingMode::BITS32) {
                EXPECT_EQ(fault.error_code, pf::P | pf::RSVD | pf::WR);
            }
        }
    }
}

}  // namespace
}  // namespace vtless::sim::test
