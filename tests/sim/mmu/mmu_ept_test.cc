// SPDX-License-Identifier: MIT
// Translation through EPT. SDM Vol. 3C "The Extended Page Table Mechanism (EPT)" (29.3).
#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

namespace ept = x86::ept;
namespace pte = x86::pte;
using Qualification = x86::EptViolationQualification;
using x86::PagingMode;

constexpr uint64_t kGpaOffset = 0x1000'0000;  // guest-physical = host-physical + this
constexpr uint64_t kReadExecute = Qualification::READABLE | Qualification::EXECUTABLE;
constexpr uint64_t kWalk = Qualification::LINEAR_ADDRESS_VALID;
constexpr uint64_t kFinal = Qualification::LINEAR_ADDRESS_VALID | Qualification::FINAL_TRANSLATION;

// A guest in 4-level paging whose memory EPT moves by kGpaOffset; page 0x5000 maps guest-physical kPage.
struct Guest {
    explicit Guest(bool accessed_dirty = false, const MmuConfig& config = {})
        : ept(memory, accessed_dirty), tables(memory, PagingMode::LEVEL4, kGpaOffset), mmu(memory, config) {
        EXPECT_TRUE(memory.allocate_frame(page));
        tables.map(kGva, gpa().value() | kUserPage);
        ept.map_range(Gpa(kGpaOffset), 0x100'0000, kGpaOffset);
        mmu.set_paging(tables.paging());
        mmu.set_ept(ept.eptp());
    }
    Gpa gpa() const { return Gpa(page.value() + kGpaOffset); }
    Gpa table_gpa(unsigned level) { return Gpa(tables.entry(kGva, level).page().value() + kGpaOffset); }
    uint64_t ept_entry(Gpa at, unsigned level = 1) { return peek<uint64_t>(memory, ept.entry(at, level)); }
    MmuFault translate(Gva gva, Access access) { return mmu.translate(gva, access, result); }

    static constexpr Gva kGva{0x5000};
    HostMemory memory = make_memory();
    EptTables ept;
    GuestTables tables;
    Hpa page;
    Mmu mmu;
    Translation result;
};

TEST(MmuEpt, BothLevelsAreTranslatedWith24References) {
    Guest guest;
    ASSERT_FALSE(guest.translate(Gva(0x5abc), kUserRead));
    EXPECT_EQ(guest.result.gpa, Gpa(guest.gpa().value() + 0xabc));
    EXPECT_EQ(guest.result.hpa, Hpa(guest.page.value() + 0xabc));
    EXPECT_EQ(guest.mmu.counters().walks, 1u);
    EXPECT_EQ(guest.mmu.counters().references, 24u);
}

TEST(MmuEpt, LeavesOf4K2MAnd1GMapTheirBytes) {
    struct Row {
        unsigned level;
        uint64_t hpa, page_size;
    };
    for (const Row& row : {Row{1, 0x7000, 0x1000}, Row{2, 0x40'0000, 0x20'0000}, Row{3, 0, 0x4000'0000}}) {
        HostMemory memory = make_memory();
        EptTables tables(memory);
        tables.map(Gpa(0x8000'0000),
                   row.hpa | ept::RWX | EptTables::kWriteBack | (row.level > 1 ? ept::LARGE : 0), row.level);
        Mmu mmu(memory);
        mmu.set_ept(tables.eptp());
        Translation result;
        ASSERT_FALSE(mmu.translate_physical(Gpa(0x8000'0abc), AccessType::Write, result)) << row.level;
        EXPECT_EQ(result.hpa, Hpa(row.hpa + 0xabc));
        ASSERT_FALSE(mmu.translate(Gva(0x8000'0abc), kWrite, result));
        EXPECT_EQ(result.hpa, Hpa(row.hpa + 0xabc));
        EXPECT_EQ(result.page_size, 4096u) << "without paging the guest's pages are small";
    }
}

TEST(MmuEpt, PageSizeIsTheSmallerOfTheTwo) {
    Guest guest;
    guest.tables.map(Gva(0x20'0000), kGpaOffset | kUserPage | pte::PS, 2);
    ASSERT_FALSE(guest.translate(Gva(0x20'5678), kRead));
    EXPECT_EQ(guest.result.page_size, 4096u);
    guest.ept.map(Gpa(0x4000'0000), ept::RWX | EptTables::kWriteBack | ept::LARGE, 3);
    guest.tables.map(Gva(0x40'0000), 0x4000'0000 | kUserPage | pte::PS, 2);
    ASSERT_FALSE(guest.translate(Gva(0x40'5678), kRead));
    EXPECT_EQ(guest.result.page_size, 0x20'0000u);
}

TEST(MmuEpt, FiveLevelsReachBeyond48Bits) {
    HostMemory memory = make_memory();
    EptTables tables(memory, false, 5);
    tables.map(Gpa(uint64_t{1} << 50), 0x7000 | ept::RWX | EptTables::kWriteBack);
    MmuConfig config;
    config.physical_address_bits = 52;
    Mmu mmu(memory, config);
    mmu.set_ept(tables.eptp());
    Translation result;
    ASSERT_FALSE(mmu.translate_physical(Gpa((uint64_t{1} << 50) + 0x12), AccessType::Read, result));
    EXPECT_EQ(result.hpa, Hpa(0x7012));
    EptTables narrow(memory);
    mmu.set_ept(narrow.eptp());
    const MmuFault fault = mmu.translate_physical(Gpa(uint64_t{1} << 50), AccessType::Read, result);
    EXPECT_EQ(fault.kind, MmuFault::Kind::EptViolation);
    EXPECT_EQ(fault.qualification, Qualification::READ);
}

TEST(MmuEpt, ViolationOfTheFinalAccessSaysWhatWasWantedAndWhatIsAllowed) {
    struct Row {
        uint64_t rights;
        Access access;
        uint64_t qualification;
    };
    const Row rows[] = {
        {0, kRead, Qualification::READ},
        {0, kWrite, Qualification::WRITE},
        {0, kFetch, Qualification::FETCH},
        {ept::READ, kWrite, Qualification::WRITE | Qualification::READABLE},
        {ept::READ, kFetch, Qualification::FETCH | Qualification::READABLE},
        {ept::READ | ept::EXECUTE, kUserWrite, Qualification::WRITE | kReadExecute},
        {ept::EXECUTE, kUserRead, Qualification::READ | Qualification::EXECUTABLE},
    };
    for (const Row& row : rows) {
        Guest guest;
        guest.ept.map_range(guest.gpa(), 4096, kGpaOffset, row.rights);
        const MmuFault fault = guest.translate(Gva(0x5abc), row.access);
        EXPECT_EQ(fault.kind, MmuFault::Kind::EptViolation) << &row - rows;
        EXPECT_EQ(fault.gva, Gva(0x5abc));
        EXPECT_EQ(fault.gpa, Gpa(guest.gpa().value() + 0xabc));
        EXPECT_EQ(fault.qualification, row.qualification | kFinal) << &row - rows;
    }
}

TEST(MmuEpt, RightsAreTheLogicalAndOfAllLevels) {
    const Gpa far(0x8'8000'0000);  // shares only the top table's entry with the guest's tables
    for (unsigned level = 1; level <= 3; ++level) {
        Guest guest;
        guest.ept.map_range(far, 4096, far.value() - 0x7000);
        const Hpa slot = guest.ept.entry(far, level);
        poke(guest.memory, slot, peek<uint64_t>(guest.memory, slot) & ~ept::WRITE);
        guest.tables.map(Gva(0x6000), far.value() | kUserPage);
        EXPECT_FALSE(guest.translate(Gva(0x6000), kRead));
        EXPECT_EQ(guest.translate(Gva(0x6000), kWrite).qualification,
                  Qualification::WRITE | kReadExecute | kFinal);
    }
}

TEST(MmuEpt, ViolationOnAPagingStructureEntryHasBit8ClearAndItsAddress) {
    for (unsigned level = 1; level <= 4; ++level) {
        Guest guest;
        guest.ept.map_range(guest.table_gpa(level), 4096, kGpaOffset, 0);
        const MmuFault fault = guest.translate(Gva(0x5abc), kWrite);
        EXPECT_EQ(fault.kind, MmuFault::Kind::EptViolation) << level;
        EXPECT_EQ(fault.gva, Gva(0x5abc));
        EXPECT_EQ(fault.gpa, Gpa(guest.tables.entry(Guest::kGva, level).value() + kGpaOffset));
        EXPECT_EQ(fault.qualification, Qualification::READ | kWalk) << "a walk reads, whatever the access";
    }
}

TEST(MmuEpt, SettingAccessedInAReadOnlyTableIsAWriteViolation) {
    Guest guest;
    guest.ept.map_range(guest.table_gpa(1), 4096, kGpaOffset, ept::READ | ept::EXECUTE);
    const MmuFault fault = guest.translate(Gva(0x5abc), kRead);
    EXPECT_EQ(fault.kind, MmuFault::Kind::EptViolation);
    EXPECT_EQ(fault.gpa, Gpa(guest.tables.entry(Guest::kGva).value() + kGpaOffset));
    EXPECT_EQ(fault.qualification, Qualification::WRITE | kReadExecute | kWalk);
    // With the bit set already, nothing is written.
    guest.tables.map(Guest::kGva, guest.gpa().value() | kUserPage | pte::A);
    EXPECT_FALSE(guest.translate(Gva(0x5abc), kRead));
    EXPECT_EQ(guest.translate(Gva(0x5abc), kWrite).qualification,
              Qualification::WRITE | kReadExecute | kWalk);
}

TEST(MmuEpt, WithAccessedDirtyFlagsTableReadsCountAsWrites) {
    Guest guest(true);
    guest.tables.map(Guest::kGva, guest.gpa().value() | kUserPage | pte::A | pte::D);
    guest.ept.map_range(guest.table_gpa(1), 4096, kGpaOffset, ept::READ | ept::EXECUTE);
    const MmuFault fault = guest.translate(Gva(0x5abc), kRead);
    EXPECT_EQ(fault.qualification, Qualification::READ | Qualification::WRITE | kReadExecute | kWalk);
}

TEST(MmuEpt, AccessedAndDirtyAreSetAtEachLevel) {
    Guest guest(true);
    ASSERT_FALSE(guest.translate(Gva(0x5abc), kRead));
    EXPECT_FALSE(guest.result.writable);
    constexpr uint64_t kBoth = ept::ACCESSED | ept::DIRTY;
    EXPECT_EQ(guest.ept_entry(guest.gpa()) & kBoth, ept::ACCESSED);
    EXPECT_EQ(guest.ept_entry(guest.table_gpa(1)) & kBoth, kBoth) << "walking a table writes to it";
    for (unsigned level = 2; level <= 4; ++level)
        EXPECT_EQ(guest.ept_entry(guest.gpa(), level) & kBoth, ept::ACCESSED) << level;

    // A dirty guest page alone does not make the page writable.
    guest.tables.map(Guest::kGva, guest.gpa().value() | kUserPage | pte::A | pte::D);
    guest.mmu.flush_all();
    ASSERT_FALSE(guest.translate(Gva(0x5abc), kRead));
    EXPECT_FALSE(guest.result.writable);
    ASSERT_FALSE(guest.translate(Gva(0x5abc), kWrite));
    EXPECT_TRUE(guest.result.writable);
    EXPECT_EQ(guest.ept_entry(guest.gpa()) & kBoth, kBoth);
}

TEST(MmuEpt, WithoutAccessedDirtyFlagsEptIsNeverWritten) {
    Guest guest;
    ASSERT_FALSE(guest.translate(Gva(0x5abc), kWrite));
    EXPECT_TRUE(guest.result.writable);
    EXPECT_EQ(guest.ept_entry(guest.gpa()) & (ept::ACCESSED | ept::DIRTY), 0u);
}

TEST(MmuEpt, MisconfigurationsAreTold) {
    struct Row {
        unsigned level;
        uint64_t entry;
    };
    constexpr uint64_t kWb = EptTables::kWriteBack;
    const Row rows[] = {
        {1, ept::WRITE | kWb},                 // write-only
        {1, ept::WRITE | ept::EXECUTE | kWb},  // write and execute
        {1, ept::RWX | (2 << 3)},              // reserved memory types
        {1, ept::RWX | (3 << 3)},
        {1, ept::RWX | (7 << 3)},
        {1, ept::RWX | kWb | bit(40)},               // beyond MAXPHYADDR
        {2, ept::RWX | kWb | ept::LARGE | bit(12)},  // below the page's size
        {3, ept::RWX | kWb | ept::LARGE | bit(29)},
        {2, ept::RWX | bit(3)},  // reserved in a table entry
        {4, ept::RWX | ept::LARGE},
    };
    for (const Row& row : rows) {
        HostMemory memory = make_memory();
        EptTables tables(memory);
        tables.map(Gpa(0x7000), row.entry, row.level);
        Mmu mmu(memory);
        mmu.set_ept(tables.eptp());
        Translation result;
        const MmuFault fault = mmu.translate(Gva(0x7abc), kWrite, result);
        EXPECT_EQ(fault.kind, MmuFault::Kind::EptMisconfiguration) << &row - rows;
        EXPECT_EQ(fault.gpa, Gpa(0x7abc));
    }
}

TEST(MmuEpt, ExecuteOnlyIsMisconfiguredOnAProcessorWithoutIt) {
    MmuConfig config;
    config.ept_execute_only = false;
    Guest without(false, config);
    without.ept.map_range(without.gpa(), 4096, kGpaOffset, ept::EXECUTE);
    EXPECT_EQ(without.translate(Gva(0x5000), kFetch).kind, MmuFault::Kind::EptMisconfiguration);
    Guest with;
    with.ept.map_range(with.gpa(), 4096, kGpaOffset, ept::EXECUTE);
    EXPECT_FALSE(with.translate(Gva(0x5000), kFetch));
}

TEST(MmuEpt, PageFaultsComeBeforeViolationsOfThePageTheyProtect) {
    Guest guest;
    guest.tables.map(Guest::kGva, guest.gpa().value() | pte::P | pte::US);
    guest.ept.map_range(guest.gpa(), 4096, kGpaOffset, 0);
    EXPECT_EQ(guest.translate(Gva(0x5000), kUserWrite).kind, MmuFault::Kind::PageFault);
    EXPECT_EQ(guest.translate(Gva(0x5000), kUserRead).kind, MmuFault::Kind::EptViolation);
}

TEST(MmuEpt, ViolationWhileLoadingPdptesHasNoLinearAddress) {
    Guest guest;
    std::array<uint64_t, 4> pdptes{};
    const MmuFault fault = guest.mmu.read_pdptes(0x9000'0020, pdptes);
    EXPECT_EQ(fault.kind, MmuFault::Kind::EptViolation);
    EXPECT_EQ(fault.gpa, Gpa(0x9000'0020));
    EXPECT_EQ(fault.qualification, Qualification::READ);
}

TEST(MmuEpt, ProbePhysicalSeesAChangedEntryAndChangesNothing) {
    Guest guest(true);
    const Gpa device(0x9000'0000);
    Translation result;
    EXPECT_EQ(guest.mmu.probe_physical(device, AccessType::Write, result).kind, MmuFault::Kind::EptViolation);
    guest.ept.map(device, 0x7000 | ept::RWX | EptTables::kWriteBack);
    EXPECT_FALSE(guest.mmu.probe_physical(device, AccessType::Write, result));
    EXPECT_EQ(guest.ept_entry(device) & (ept::ACCESSED | ept::DIRTY), 0u);
    ASSERT_FALSE(guest.mmu.translate_physical(device, AccessType::Write, result));
    EXPECT_EQ(guest.ept_entry(device) & (ept::ACCESSED | ept::DIRTY), ept::ACCESSED | ept::DIRTY);
}

TEST(MmuEpt, TablesOutsideRamAreMisconfigured) {
    HostMemory memory = make_memory();
    Mmu mmu(memory);
    mmu.set_ept(x86::Eptp::make(0xff'ffff'f000, 4, true).raw);
    Translation result;
    EXPECT_EQ(mmu.translate(Gva(0x1000), kWrite, result).kind, MmuFault::Kind::EptMisconfiguration);
}

}  // namespace
}  // namespace vtless::sim::test
