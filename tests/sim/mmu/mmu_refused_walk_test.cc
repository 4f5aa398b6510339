// SPDX-License-Identifier: MIT
// What Mmu remembers of the walk that EPT refused last: nothing that an access could tell.
#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

namespace ept = x86::ept;
namespace pte = x86::pte;

constexpr uint64_t kGpaOffset = 0x1000'0000;  // guest-physical = host-physical + this
constexpr uint64_t kUsed = kUserPage | pte::A | pte::D;
constexpr Gva kDevice{0x7f12'3456'7000};
constexpr Gva kOther{0x7f12'3456'8000};
constexpr Gpa kRegisters{0xfee0'0000};  // EPT maps nothing there
constexpr Gpa kRam{kGpaOffset + 0x80'0000};

struct Guest {
    Guest() : ept(memory), mmu(memory) {
        ept.map_range(Gpa(kGpaOffset), 0x100'0000, kGpaOffset);
        ept.entry(kRegisters);  // the tables above it
        tables.map(kDevice, kRegisters.value() | kUsed);
        tables.map(kOther, (kRegisters.value() + 0x1000) | kUsed);
        for (unsigned level = 2; level <= 4; ++level)
            tables.map(kDevice, tables.read(tables.entry(kDevice, level)) | pte::A, level);
        mmu.set_paging(tables.paging());
        mmu.set_ept(ept.eptp());
    }
    MmuFault access(Gva gva, Access access) {
        const MmuFault fault = mmu.translate(gva, access, result);
        return fault;
    }
    // Until it is remembered.
    void refuse(Access kind = kRead) {
        for (int i = 0; i < 3; ++i) ASSERT_EQ(access(kDevice, kind).kind, MmuFault::Kind::EptViolation);
    }
    // What a processor says that has seen nothing of the guest yet.
    MmuFault afresh(Gva gva, Access access) {
        Mmu other(memory);
        other.set_paging(tables.paging());
        other.set_ept(ept.eptp());
        return other.translate(gva, access, result);
    }

    HostMemory memory = make_memory();
    EptTables ept;
    GuestTables tables{memory, x86::PagingMode::LEVEL4, kGpaOffset};
    Mmu mmu;
    Translation result;
};

TEST(MmuRefusedWalk, EachRefusalIsTheFirstOnesAndCountsAsMuch) {
    Guest guest;
    const MmuFault first = guest.access(kDevice, kWrite);
    ASSERT_EQ(first.kind, MmuFault::Kind::EptViolation);
    const Mmu::Counters once = guest.mmu.counters();
    for (uint64_t n = 2; n < 6; ++n) {
        EXPECT_EQ(guest.access(kDevice, kWrite), first);
        EXPECT_EQ(guest.mmu.counters().walks, n * once.walks);
        EXPECT_EQ(guest.mmu.counters().references, n * once.references);
    }
}

TEST(MmuRefusedWalk, TheAddressIsTheAccesss) {
    Guest guest;
    guest.refuse();
    const MmuFault fault = guest.access(kDevice + 0x123, kRead);
    EXPECT_EQ(fault.gva, kDevice + 0x123);
    EXPECT_EQ(fault.gpa, kRegisters + 0x123);
}

TEST(MmuRefusedWalk, AnotherAccessIsAnother) {
    Guest guest;
    guest.ept.map(kRegisters, (kRam.value() - kGpaOffset) | ept::READ | EptTables::kWriteBack);
    guest.refuse(kWrite);
    EXPECT_FALSE(guest.access(kDevice, kRead));
    for (const Access access : {kWrite, kFetch, kUserWrite, kUserFetch})
        EXPECT_EQ(guest.access(kDevice, access), guest.afresh(kDevice, access));
    guest.refuse(kWrite);
    EXPECT_EQ(guest.access(kOther, kWrite), guest.afresh(kOther, kWrite));
}

// No flush is due: an entry that is not present is not cached, and neither is one that faulted.
TEST(MmuRefusedWalk, EachEntryOfTheGuestsIsReadAgain) {
    for (unsigned level = 1; level <= 4; ++level) {
        Guest guest;
        guest.refuse();
        guest.tables.map(kDevice, 0, level);
        EXPECT_EQ(guest.access(kDevice, kRead).kind, MmuFault::Kind::PageFault) << level;
    }
    Guest guest;
    guest.refuse();
    guest.tables.map(kDevice, kRam.value() | kUsed);
    EXPECT_FALSE(guest.access(kDevice, kRead));
    EXPECT_EQ(guest.result.gpa, kRam);
}

TEST(MmuRefusedWalk, EachEntryOfEptsIsReadAgain) {
    constexpr uint64_t kMisconfigured = ept::WRITE;  // without READ
    for (unsigned level = 1; level <= 4; ++level) {
        Guest guest;
        guest.refuse();
        guest.ept.map(kRegisters, kMisconfigured, level);
        EXPECT_EQ(guest.access(kDevice, kRead).kind, MmuFault::Kind::EptMisconfiguration) << level;
    }
    Guest guest;
    guest.refuse();
    guest.ept.map(kRegisters, (kRam.value() - kGpaOffset) | ept::RWX | EptTables::kWriteBack);
    EXPECT_FALSE(guest.access(kDevice, kRead));
    EXPECT_EQ(guest.result.hpa, Hpa(kRam.value() - kGpaOffset));
}

TEST(MmuRefusedWalk, RegistersThatChangeAreHonoured) {
    Guest guest;
    guest.refuse(kUserRead);
    guest.tables.map(kDevice, kRegisters.value() | kKernelPage | pte::A | pte::D);
    EXPECT_EQ(guest.access(kDevice, kUserRead).kind, MmuFault::Kind::PageFault);
    guest.refuse(kRead);
    GuestTables others(guest.memory, x86::PagingMode::LEVEL4, kGpaOffset);
    others.map(kDevice, kRam.value() | kUsed);
    guest.mmu.set_paging(others.paging());
    EXPECT_FALSE(guest.access(kDevice, kRead));
}

TEST(MmuRefusedWalk, AnotherEptIsAnother) {
    Guest guest;
    guest.refuse();
    EptTables other(guest.memory);
    other.map_range(Gpa(kGpaOffset), 0x100'0000, kGpaOffset);
    other.map(kRegisters, (kRam.value() - kGpaOffset) | ept::RWX | EptTables::kWriteBack);
    guest.mmu.set_ept(other.eptp());
    EXPECT_FALSE(guest.access(kDevice, kRead));
}

TEST(MmuRefusedWalk, LargePagesEndItEarly) {
    Guest guest;
    guest.tables.map(kDevice, 0xc000'0000 | kUsed | pte::PS, 2);
    const MmuFault first = guest.access(kDevice, kRead);
    ASSERT_EQ(first.kind, MmuFault::Kind::EptViolation);
    guest.refuse();
    EXPECT_EQ(guest.access(kDevice, kRead), first);
    guest.tables.map(kDevice, kRegisters.value() | kUsed | pte::PS, 3);  // reserved bits
    EXPECT_EQ(guest.access(kDevice, kRead), guest.afresh(kDevice, kRead));
    EXPECT_EQ(guest.access(kDevice, kRead).kind, MmuFault::Kind::PageFault);
}

}  // namespace
}  // namespace vtless::sim::test
