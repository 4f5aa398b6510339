// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using vmx::AccessKind;
using vmx::Located;
using namespace x86::pte;
namespace pf = x86::page_fault;

TEST(GuestMemory, WithoutPagingLinearIsPhysical) {
    Machine machine;
    const Located where = machine.vcpu().translate(Gva(0x5123));
    ASSERT_TRUE(where.ok());
    EXPECT_EQ(where.gpa, Gpa(0x5123));
    EXPECT_EQ(where.hpa, Hpa(0x15123));
}

TEST(GuestMemory, PermissionsOfFourLevelPaging) {
    struct {
        uint64_t flags;
        AccessKind kind;
        bool user;
        uint64_t cr0, cr4;
        bool allowed;
        uint32_t error_code;
    } const rows[] = {
        {P, AccessKind::Read, false, 0, 0, true, 0},
        {0, AccessKind::Read, false, 0, 0, false, 0},
        {P, AccessKind::Write, false, 0, 0, true, 0},
        {P, AccessKind::Write, false, x86::cr0::WP, 0, false, pf::P | pf::WR},
        {P | US, AccessKind::Write, true, 0, 0, false, pf::P | pf::WR | pf::US},
        {P | US | RW, AccessKind::Write, true, x86::cr0::WP, 0, true, 0},
        {P | RW, AccessKind::Read, true, 0, 0, false, pf::P | pf::US},
        {P | XD, AccessKind::Fetch, false, 0, 0, false, pf::P | pf::ID},
        {P | XD, AccessKind::Read, false, 0, 0, true, 0},
        {P | US, AccessKind::Fetch, false, 0, x86::cr4::SMEP, false, pf::P | pf::ID},
        {P | US, AccessKind::Fetch, true, 0, x86::cr4::SMEP, true, 0},
        {P | US, AccessKind::Read, false, 0, x86::cr4::SMAP, false, pf::P},
        {P | bit(45), AccessKind::Read, false, 0, 0, false, pf::P | pf::RSVD},
    };
    for (const auto& row : rows) {
        Machine machine;
        machine.enter_long_mode();
        machine.field(VmcsField::GUEST_CR0) |= row.cr0;
        machine.field(VmcsField::GUEST_CR4) |= row.cr4;
        if (row.user) machine.field(VmcsField::GUEST_SS_ACCESS_RIGHTS) = 0xc0f3;
        machine.map_guest(0x5000, 0x6000, row.flags);
        const Located where = machine.vcpu().translate(Gva(0x5010), row.kind);
        EXPECT_EQ(where.ok(), row.allowed) << row.flags;
        EXPECT_EQ(where.gpa, row.allowed ? Gpa(0x6010) : Gpa());
        EXPECT_EQ(where.error_code, row.error_code) << row.flags;
    }
}

TEST(GuestMemory, AlignmentCheckFlagLiftsSmap) {
    Machine machine;
    machine.enter_long_mode();
    machine.field(VmcsField::GUEST_CR4) |= x86::cr4::SMAP;
    machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::AC;
    machine.map_guest(0x5000, 0x6000, P | US);
    EXPECT_TRUE(machine.vcpu().translate(Gva(0x5000)).ok());
}

TEST(GuestMemory, PaePagingStartsAtThePdptes) {
    Machine machine;
    machine.field(VmcsField::GUEST_CR0) |= x86::cr0::PE | x86::cr0::PG;
    machine.field(VmcsField::GUEST_CR4) |= x86::cr4::PAE;
    machine.field(VmcsField::GUEST_PDPTE1) = 0x3000 | P;
    machine.put64(0x3000, 0x4000 | P | RW);
    machine.put64(0x4000 + 5 * 8, 0x6000 | P);
    EXPECT_EQ(machine.vcpu().translate(Gva(0x40005678)).gpa, Gpa(0x6678));
    EXPECT_EQ(machine.vcpu().translate(Gva(0x5678)).end, Located::End::PageFault);
}

TEST(GuestMemory, TwoLevelPaging) {
    Machine machine;
    machine.field(VmcsField::GUEST_CR0) |= x86::cr0::PE | x86::cr0::PG;
    machine.field(VmcsField::GUEST_CR3) = 0x3000;
    machine.put(0x3000, {0x07, 0x40, 0, 0});
    machine.put(0x4014, {0x07, 0x60, 0, 0});
    EXPECT_EQ(machine.vcpu().translate(Gva(0x5678)).gpa, Gpa(0x6678));
}

TEST(GuestMemory, UnmappedPageTableIsANestedFault) {
    Machine machine;
    machine.enter_long_mode();
    machine.map_ept(Machine::kPageTables + 0x1000, 0, 0);
    const Located where = machine.vcpu().translate(Gva(0x5000));
    EXPECT_EQ(where.end, Located::End::NestedFault);
    EXPECT_EQ(where.gpa, Gpa(Machine::kPageTables + 0x1000));
    EXPECT_EQ(where.gva, Gva(0x5000));
}

TEST(GuestMemory, EptRightsCount) {
    Machine machine;
    machine.map_ept(0x5000, 0x15000, x86::ept::READ);
    EXPECT_TRUE(machine.vcpu().translate(Gva(0x5000)).ok());
    EXPECT_EQ(machine.vcpu().translate(Gva(0x5000), AccessKind::Write).end, Located::End::NestedFault);
    EXPECT_EQ(machine.vcpu().translate(Gva(0x5000), AccessKind::Fetch).end, Located::End::NestedFault);
}

TEST(GuestMemory, EptBeyondHostMemoryIsNoMemory) {
    Machine machine;
    machine.map_ept(0x5000, 0x40000000);
    EXPECT_EQ(machine.vcpu().translate(Gva(0x5000)).end, Located::End::NoMemory);
}

TEST(GuestMemory, ReadsAcrossPages) {
    Machine machine;
    machine.enter_long_mode();
    machine.map_guest(0x5000, 0x6000);
    machine.map_guest(0x6000, 0x2000);
    machine.put(0x6fff, {1});
    machine.put(0x2000, {2});
    uint8_t bytes[2] = {};
    ASSERT_TRUE(machine.vcpu().read_guest(Gva(0x5fff), bytes).ok());
    EXPECT_EQ(bytes[0], 1);
    EXPECT_EQ(bytes[1], 2);
    uint8_t more[8] = {};
    const Located where = machine.vcpu().read_guest(Gva(0x6ffc), more);
    EXPECT_EQ(where.end, Located::End::PageFault);
    EXPECT_EQ(where.gva, Gva(0x7000));
}

TEST(GuestMemory, QueriesSetNoAccessedBits) {
    Machine machine;
    machine.enter_long_mode();
    machine.map_guest(0x5000, 0x6000);
    uint8_t byte = 0;
    EXPECT_TRUE(machine.vcpu().read_guest(Gva(0x5000), {&byte, 1}).ok());
    EXPECT_EQ(machine.get64(Machine::page_table_entry(0x5000)) & A, 0u);
}

}  // namespace
}  // namespace vtless::test
