// SPDX-License-Identifier: MIT
// Each case changes a table under a translation that the guest has used, with and without what the change
// needs: without, the guest sees the old page, each time.
#include <fmt/format.h>

#include <vector>

#include "isa/x86/ept.h"
#include "tests/sim/sanitizer/sanitizer_fixture.h"

namespace vtless::sim {
namespace {

constexpr uint64_t kPage = 0x800000;
constexpr uint64_t kOther = 0xa00000;
constexpr uint32_t kOld = 0x01010101;
constexpr uint32_t kNew = 0x02020202;

class TlbRules : public SanitizerFixture {
  protected:
    static constexpr uint64_t kLeaf = x86::ept::LARGE | 6u << 3;
    static constexpr uint64_t kPde = 0x12000 + (kPage >> 21) * 8;  // guest-physical, of kPage

    // mov eax, [kPage]; mov ebx, eax; cpuid; jmp to the start
    explicit TlbRules(uint64_t flush_seed = 0) : SanitizerFixture(flush_seed) {
        code({0xa1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x89, 0xc3, 0x0f, 0xa2, 0xeb, 0xf1});
        put<uint32_t>(kPage, kOld);
        put<uint32_t>(kOther, kNew);
    }

    static Hpa table(const HostMemory& memory, Hpa entry_at) {
        uint64_t entry = 0;
        std::memcpy(&entry, memory.map(entry_at), sizeof entry);
        return Hpa(x86::ept::table_address(entry));
    }
    Hpa ept_leaf(uint64_t eptp_value, uint64_t gpa) {
        const Hpa pdpt = table(memory, Hpa(x86::Eptp{eptp_value}.root()));
        return table(memory, pdpt) + (gpa >> 21) * 8;
    }
    void map_in_ept(uint64_t gpa, uint64_t to, uint64_t rights = x86::ept::RWX) {
        put_host(ept_leaf(eptp, gpa), rights == 0 ? 0 : (ram + to).value() | rights | kLeaf);
    }
    // The same EPT again, with tables of its own.
    uint64_t second_ept() {
        Hpa pml4, pdpt, pd;
        EXPECT_TRUE(memory.allocate_frame(pml4) && memory.allocate_frame(pdpt) && memory.allocate_frame(pd));
        const Hpa first_pdpt = table(memory, Hpa(x86::Eptp{eptp}.root()));
        std::memcpy(memory.map(pd), memory.map(table(memory, first_pdpt)), HostMemory::kFrameSize);
        put_host(pml4, pdpt.value() | x86::ept::RWX);
        put_host(pdpt, pd.value() | x86::ept::RWX);
        return x86::Eptp::make(pml4.value()).raw;
    }
    // A second set of guest page tables, where kPage is kOther.
    uint64_t second_guest_tables() {
        put<uint64_t>(0x20000, 0x21007);
        put<uint64_t>(0x21000, 0x22007);
        for (uint64_t page = 0; page < 512; ++page) put<uint64_t>(0x22000 + page * 8, page << 21 | 0x87);
        put<uint64_t>(0x22000 + (kPage >> 21) * 8, kOther | 0x87);
        return 0x20000;
    }

    void invept(x86::InveptType type, uint64_t context) { EXPECT_TRUE(hw->invept(type, {context, 0}).ok()); }
    void invvpid(x86::InvvpidType type, uint16_t vpid, uint64_t address = 0) {
        EXPECT_TRUE(hw->invvpid(type, {vpid, Gva(address)}).ok());
    }
    // What the guest reads from kPage.
    uint64_t reads_first() {
        EXPECT_EQ(run(), Reason::CPUID);
        return gprs.get(x86::Gpr::RBX);
    }
    uint64_t reads_again() {
        EXPECT_EQ(skip(), Reason::CPUID);
        return gprs.get(x86::Gpr::RBX);
    }
};

TEST_F(TlbRules, EptChangedWithoutInvept) {
    EXPECT_EQ(reads_first(), kOld);
    map_in_ept(kPage, kOther);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(reads_again(), kOld) << "stale each time";
    ASSERT_TRUE(only("tlb.missing-invept"));
    ASSERT_EQ(sanitizer.findings().size(), 1u) << details();
    EXPECT_EQ(sanitizer.findings()[0].count, 5u);
    EXPECT_EQ(sanitizer.findings()[0].site.exits, 1u);
    EXPECT_TRUE(mentions("linear address 0x800000")) << details();
    EXPECT_TRUE(
        mentions(fmt::format("guest-physical 0x800000 was cached as "
                             "host-physical {:#x} (rwx); EPT now gives "
                             "host-physical {:#x} (rwx).",
                             (ram + kPage).value(), (ram + kOther).value())))
        << details();
}

TEST_F(TlbRules, EptChangedWithInvept) {
    EXPECT_EQ(reads_first(), kOld);
    map_in_ept(kPage, kOther);
    invept(x86::InveptType::SINGLE_CONTEXT, eptp);
    EXPECT_EQ(reads_again(), kNew);
    map_in_ept(kPage, kPage);
    invept(x86::InveptType::ALL_CONTEXT, 0);
    EXPECT_EQ(reads_again(), kOld);
}

// SDM Vol. 3C "Information That May Be Cached" (29.4.2): EPTRTA, and nothing else of an EPT pointer.
TEST_F(TlbRules, InveptOfTheRootByAnotherEptPointer) {
    uint64_t page = kPage;
    EXPECT_EQ(reads_first(), kOld);
    for (const uint64_t other : {(eptp & ~uint64_t{7}) | uint64_t{static_cast<uint8_t>(x86::MemoryType::UC)},
                                 eptp ^ x86::Eptp::kAccessedDirty}) {
        page ^= kPage ^ kOther;
        map_in_ept(kPage, page);
        invept(x86::InveptType::SINGLE_CONTEXT, other);
        EXPECT_EQ(reads_again(), page == kOther ? kNew : kOld) << std::hex << other;
    }
}

TEST_F(TlbRules, InveptOfAnotherContextIsNone) {
    EXPECT_EQ(reads_first(), kOld);
    map_in_ept(kPage, kOther);
    invept(x86::InveptType::SINGLE_CONTEXT, second_ept());
    EXPECT_EQ(reads_again(), kOld);
    EXPECT_TRUE(only("tlb.missing-invept"));
}

// Which linear address is used makes no difference to guest-physical mappings.
TEST_F(TlbRules, InvvpidIsNoInvept) {
    EXPECT_EQ(reads_first(), kOld);
    map_in_ept(kPage, kOther);
    invvpid(x86::InvvpidType::ALL_CONTEXT, 0);
    EXPECT_EQ(reads_again(), kOld);
    EXPECT_TRUE(only("tlb.missing-invept"));
}

TEST_F(TlbRules, EptOfAGuestThatDidNotRunMeanwhile) {
    const uint64_t second = second_ept();
    EXPECT_EQ(reads_first(), kOld);
    write(F::EPT_POINTER, second);
    EXPECT_EQ(reads_again(), kOld);
    map_in_ept(kPage, kOther);
    EXPECT_EQ(reads_again(), kOld) << "the second EPT is as it was";
    EXPECT_TRUE(clean());
    write(F::EPT_POINTER, eptp);
    EXPECT_EQ(reads_again(), kOld);
    EXPECT_TRUE(only("tlb.missing-invept"));
}

TEST_F(TlbRules, RightsThatWereTakenAway) {
    code({0xa3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x0f, 0xa2, 0xeb, 0xf3});  // mov [kPage], eax; cpuid; jmp
    EXPECT_EQ(run(), Reason::CPUID);
    map_in_ept(kPage, kPage, x86::ept::READ);
    EXPECT_EQ(skip(), Reason::CPUID) << "stored through the old translation";
    ASSERT_TRUE(only("tlb.missing-invept"));
    EXPECT_TRUE(mentions("A write for linear address 0x800000")) << details();
    EXPECT_TRUE(mentions("(r--)")) << details();
}

// Reading comes first, which is allowed before and after.
TEST_F(TlbRules, RightsThatWereTakenAwayFromAPageThatIsReadFirst) {
    // mov eax, [kPage]; mov [kPage], eax; cpuid; jmp
    code({0xa1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0xa3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x0f, 0xa2, 0xeb, 0xea});
    EXPECT_EQ(run(), Reason::CPUID);
    map_in_ept(kPage, kPage, x86::ept::READ);
    EXPECT_EQ(skip(), Reason::CPUID);
    ASSERT_TRUE(only("tlb.missing-invept"));
    EXPECT_TRUE(mentions("A write")) << details();
}

TEST_F(TlbRules, RightsThatWereAddedNeedNothing) {
    code({0xa3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x0f, 0xa2, 0xeb, 0xf3});
    map_in_ept(kPage, kPage, x86::ept::READ);
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
    map_in_ept(kPage, kPage);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(TlbRules, AMappingThatWasAddedNeedsNothing) {
    map_in_ept(kPage, kPage, 0);
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
    map_in_ept(kPage, kOther);
    EXPECT_EQ(reads_first(), kNew);
}

// The violation has invalidated what was cached for this address.
TEST_F(TlbRules, AViolationInvalidates) {
    // mov eax, [kPage]; mov ebx, eax; mov [kPage], eax; cpuid; jmp
    code({0xa1, 0, 0,    0x80, 0, 0, 0, 0, 0,    0x89, 0xc3, 0xa3,
          0,    0, 0x80, 0,    0, 0, 0, 0, 0x0f, 0xa2, 0xeb, 0xe8});
    map_in_ept(kPage, kPage, x86::ept::READ);
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(gprs.get(x86::Gpr::RBX), kOld);
    map_in_ept(kPage, kOther);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(skip(), Reason::CPUID);
    EXPECT_EQ(get<uint32_t>(kPage), kOld);
}

TEST_F(TlbRules, GuestTablesChangedWithoutInvlpg) {
    EXPECT_EQ(reads_first(), kOld);
    put<uint64_t>(kPde, kOther | 0x87);
    EXPECT_EQ(reads_again(), kOld);
    ASSERT_TRUE(only("tlb.missing-invlpg"));
    EXPECT_TRUE(
        mentions("cached as guest-physical 0x800000; the guest's tables "
                 "now give 0xa00000"))
        << details();
}

TEST_F(TlbRules, GuestTablesChangedWithInvvpidOfThePage) {
    EXPECT_EQ(reads_first(), kOld);
    put<uint64_t>(kPde, kOther | 0x87);
    invvpid(x86::InvvpidType::INDIVIDUAL_ADDRESS, 1, kPage + 0x1234);
    EXPECT_EQ(reads_again(), kNew);
}

// mov eax, [kPage]; mov ebx, eax; cpuid; invlpg [kPage]; jmp to the start
TEST_F(TlbRules, TheGuestsOwnInvlpg) {
    code({0xa1, 0,    0,    0x80, 0,    0, 0, 0,    0, 0x89, 0xc3, 0x0f,
          0xa2, 0x0f, 0x01, 0x3c, 0x25, 0, 0, 0x80, 0, 0xeb, 0xe9});
    EXPECT_EQ(reads_first(), kOld);
    put<uint64_t>(kPde, kOther | 0x87);
    EXPECT_EQ(reads_again(), kNew);
}

TEST_F(TlbRules, AnotherCr3WithoutInvvpid) {
    const uint64_t tables = second_guest_tables();
    EXPECT_EQ(reads_first(), kOld);
    write(F::GUEST_CR3, tables);
    EXPECT_EQ(reads_again(), kOld) << "VM entry with a VPID flushes nothing";
    EXPECT_TRUE(only("tlb.missing-invvpid"));
}

TEST_F(TlbRules, AnotherCr3WithInvvpid) {
    const uint64_t tables = second_guest_tables();
    EXPECT_EQ(reads_first(), kOld);
    write(F::GUEST_CR3, tables);
    invvpid(x86::InvvpidType::SINGLE_CONTEXT, 1);
    EXPECT_EQ(reads_again(), kNew);
}

TEST_F(TlbRules, AnotherCr3WithAnotherVpid) {
    const uint64_t tables = second_guest_tables();
    EXPECT_EQ(reads_first(), kOld);
    write(F::GUEST_CR3, tables);
    write(F::VPID, 2);
    EXPECT_EQ(reads_again(), kNew);
    write(F::GUEST_CR3, kPml4);
    write(F::VPID, 1);
    EXPECT_EQ(reads_again(), kOld);
}

// The same guest again, but nothing says so.
TEST_F(TlbRules, AVpidThatAnotherVmcsHad) {
    EXPECT_EQ(reads_first(), kOld);
    Hpa second;
    ASSERT_TRUE(memory.allocate_frame(second));
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    std::memcpy(memory.map(second), memory.map(vmcs), HostMemory::kFrameSize);
    EXPECT_TRUE(hw->vmptrld(second).ok());
    launched = false;
    put<uint64_t>(kPde, kOther | 0x87);
    EXPECT_EQ(reads_again(), kOld);
    EXPECT_TRUE(only("tlb.missing-invvpid"));
}

TEST_F(TlbRules, InvvpidOfAnotherVpidIsNone) {
    const uint64_t tables = second_guest_tables();
    EXPECT_EQ(reads_first(), kOld);
    write(F::GUEST_CR3, tables);
    invvpid(x86::InvvpidType::SINGLE_CONTEXT, 2);
    EXPECT_EQ(reads_again(), kOld);
    EXPECT_TRUE(only("tlb.missing-invvpid"));
}

class TlbRulesWithoutVpid : public TlbRules {
  protected:
    TlbRulesWithoutVpid() {
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              capability::kSecondary
                  .adjust({{values.secondary & ~uint32_t{x86::SecondaryControls::ENABLE_VPID}}})
                  .raw);
    }
};

TEST_F(TlbRulesWithoutVpid, EachEntryFlushesLinearTranslations) {
    const uint64_t tables = second_guest_tables();
    EXPECT_EQ(reads_first(), kOld);
    put<uint64_t>(kPde, kOther | 0x87);
    EXPECT_EQ(reads_again(), kNew);
    put<uint64_t>(kPde, kPage | 0x87);
    EXPECT_EQ(reads_again(), kOld);
    write(F::GUEST_CR3, tables);
    EXPECT_EQ(reads_again(), kNew);
}

TEST_F(TlbRulesWithoutVpid, ButGuestPhysicalOnesStay) {
    EXPECT_EQ(reads_first(), kOld);
    map_in_ept(kPage, kOther);
    EXPECT_EQ(reads_again(), kOld);
    EXPECT_TRUE(only("tlb.missing-invept"));
}

// Entries above the page: one page of a region is used, the entry for the region is replaced, and another
// page of the region is used for the first time.
class TlbStructures : public TlbRules {
  protected:
    static constexpr uint64_t kUsed = kPage + 0x1000;
    static constexpr uint64_t kUnused = kPage + 0x5000;

    // mov eax, [rsi]; mov ebx, eax; cpuid; jmp to the start
    TlbStructures() {
        code({0x8b, 0x06, 0x89, 0xc3, 0x0f, 0xa2, 0xeb, 0xf8});
        for (const uint64_t offset : {0x1000u, 0x5000u}) {
            put<uint32_t>(kPage + offset, kOld);
            put<uint32_t>(kOther + offset, kNew);
        }
    }
    uint64_t reads(uint64_t address) {
        gprs.set(x86::Gpr::RSI, address);
        write(F::GUEST_RIP, kCode);
        EXPECT_EQ(run(), Reason::CPUID);
        return gprs.get(x86::Gpr::RBX);
    }
    // EPT entries for the 4-KiB pages of kPage, which lead to `to`.
    uint64_t ept_table(uint64_t to) {
        Hpa table;
        EXPECT_TRUE(memory.allocate_frame(table));
        for (uint64_t i = 0; i < 512; ++i)
            put_host(table + i * 8, (ram + to + i * 4096).value() | x86::ept::RWX | 6u << 3);
        return table.value() | x86::ept::RWX;
    }
    void set_ept_pde(uint64_t entry) { put_host(ept_leaf(eptp, kPage), entry); }
    // The guest's, at a guest-physical address of the test's choice.
    uint64_t guest_table(uint64_t at, uint64_t to) {
        for (uint64_t i = 0; i < 512; ++i) put<uint64_t>(at + i * 8, (to + i * 4096) | 7);
        return at | 7;
    }
};

TEST_F(TlbStructures, ALargePageOfEptThatWasSplitWithoutInvept) {
    EXPECT_EQ(reads(kUsed), kOld);
    set_ept_pde(ept_table(kOther));
    EXPECT_EQ(reads(kUnused), kOld);
    ASSERT_TRUE(only("tlb.missing-invept"));
    EXPECT_TRUE(
        mentions("for linear address 0x805000, VPID 1, by an entry that "
                 "covers more than this page: "
                 "guest-physical 0x805000 was cached as"))
        << details();
    EXPECT_EQ(reads(kUnused), kOld) << "each time";
    invept(x86::InveptType::SINGLE_CONTEXT, eptp);
    EXPECT_EQ(reads(kUnused), kNew);
}

TEST_F(TlbStructures, ALargePageOfEptThatWasSplitWithInvept) {
    EXPECT_EQ(reads(kUsed), kOld);
    set_ept_pde(ept_table(kOther));
    invept(x86::InveptType::SINGLE_CONTEXT, eptp);
    EXPECT_EQ(reads(kUnused), kNew);
}

// It translates as before.
TEST_F(TlbStructures, ALargePageOfEptThatWasSplitAndNothingElse) {
    EXPECT_EQ(reads(kUsed), kOld);
    set_ept_pde(ept_table(kPage));
    EXPECT_EQ(reads(kUnused), kOld);
    EXPECT_TRUE(clean());
}

TEST_F(TlbStructures, ATableOfEptThatWasReplacedWithoutInvept) {
    set_ept_pde(ept_table(kPage));
    EXPECT_EQ(reads(kUsed), kOld);
    set_ept_pde(ept_table(kOther));
    EXPECT_EQ(reads(kUnused), kOld);
    EXPECT_TRUE(only("tlb.missing-invept"));
}

TEST_F(TlbStructures, ATableOfTheGuestThatWasReplacedWithoutInvlpg) {
    put<uint64_t>(kPde, guest_table(0x30000, kPage));
    EXPECT_EQ(reads(kUsed), kOld);
    put<uint64_t>(kPde, guest_table(0x31000, kOther));
    EXPECT_EQ(reads(kUnused), kOld);
    ASSERT_TRUE(only("tlb.missing-invlpg"));
    EXPECT_TRUE(
        mentions("by an entry that covers more than this page: cached as "
                 "guest-physical 0x805000; the "
                 "guest's tables now give 0xa05000"))
        << details();
}

TEST_F(TlbStructures, ALargePageOfTheGuestThatWasReplacedWithoutInvlpg) {
    EXPECT_EQ(reads(kUsed), kOld);
    put<uint64_t>(kPde, kOther | 0x87);
    EXPECT_EQ(reads(kUnused), kOld);
    EXPECT_TRUE(only("tlb.missing-invlpg"));
}

// SDM Vol. 3A 4.10.4.1: INVLPG drops the entries of all paging-structure caches, whatever its address.
TEST_F(TlbStructures, InvlpgOfAnyPageIsEnoughForATable) {
    put<uint64_t>(kPde, guest_table(0x30000, kPage));
    EXPECT_EQ(reads(kUsed), kOld);
    put<uint64_t>(kPde, guest_table(0x31000, kOther));
    invvpid(x86::InvvpidType::INDIVIDUAL_ADDRESS, 1, 0x1234000);
    EXPECT_EQ(reads(kUnused), kNew);
    EXPECT_TRUE(clean());
    EXPECT_EQ(reads(kUsed), kOld) << "the translation itself is another matter";
    EXPECT_TRUE(only("tlb.missing-invlpg"));
}

TEST_F(TlbStructures, AnotherCr3WithoutInvvpid) {
    const uint64_t tables = second_guest_tables();
    EXPECT_EQ(reads(kUsed), kOld);
    write(F::GUEST_CR3, tables);
    EXPECT_EQ(reads(kUnused), kOld);
    EXPECT_TRUE(only("tlb.missing-invvpid"));
}

// What is not present is not cached, and no fault comes of what is.
TEST_F(TlbStructures, AFaultByACachedTableIsNone) {
    put<uint64_t>(kPde, guest_table(0x30000, kPage));
    put<uint64_t>(0x30000 + 5 * 8, 0);
    EXPECT_EQ(reads(kUsed), kOld);
    put<uint64_t>(kPde, guest_table(0x31000, kOther));
    EXPECT_EQ(reads(kUnused), kNew);
    EXPECT_TRUE(clean());
}

TEST_F(TlbStructures, AViolationByACachedTableIsNone) {
    const uint64_t first = ept_table(kPage);
    put_host<uint64_t>(Hpa(first & ~uint64_t{0xfff}) + uint64_t{5} * 8, 0);
    set_ept_pde(first);
    EXPECT_EQ(reads(kUsed), kOld);
    set_ept_pde(ept_table(kOther));
    EXPECT_EQ(reads(kUnused), kNew);
    EXPECT_TRUE(clean());
}

// Dirty flags are set where the entry is now, and once.
TEST_F(TlbStructures, AStoreToALargePageSetsItsDirtyFlag) {
    put<uint64_t>(kPde, kPage | 0x87);
    EXPECT_EQ(reads(kUsed), kOld);
    EXPECT_EQ(get<uint64_t>(kPde), kPage | 0xa7);
    code({0x89, 0x06, 0x0f, 0xa2, 0xeb, 0xfa});  // mov [rsi], eax; cpuid; jmp
    gprs.set(x86::Gpr::RSI, kUnused);
    write(F::GUEST_RIP, kCode);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(get<uint64_t>(kPde), kPage | 0xe7);
}

class TlbRulesDisturbed : public TlbRules, public ::testing::WithParamInterface<uint64_t> {
  protected:
    TlbRulesDisturbed() : TlbRules(GetParam()) {}
};

// What happens to the engine's own TLB must not be seen: neither by the guest nor in a finding.
TEST_P(TlbRulesDisturbed, FlushesOfTheEngineChangeNothing) {
    // mov eax, [kPage]; mov [kPage], eax; then a loop of 64 loads from kPage and kOther; cpuid; jmp
    code({0xa1, 0,    0,    0x80, 0,    0,    0, 0,    0,    0xa3, 0,    0,    0x80, 0,    0,
          0,    0,    0,    0xb9, 0x40, 0,    0, 0,    0x8b, 0x1c, 0x25, 0,    0,    0x80, 0,
          0x8b, 0x14, 0x25, 0,    0,    0xa0, 0, 0xe2, 0xf0, 0x0f, 0xa2, 0xeb, 0xd5});
    EXPECT_EQ(run(), Reason::CPUID);
    map_in_ept(kPage, kPage, x86::ept::READ);
    map_in_ept(kOther, kPage);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(skip(), Reason::CPUID);
    ASSERT_TRUE(only("tlb.missing-invept"));
    std::vector<uint64_t> counts;
    for (const Finding& finding : sanitizer.findings()) counts.push_back(finding.count);
    EXPECT_EQ(counts, (std::vector<uint64_t>{20, 20})) << details();
}
INSTANTIATE_TEST_SUITE_P(Seeds, TlbRulesDisturbed, ::testing::Values(0, 1, 7, 4711));

}  // namespace
}  // namespace vtless::sim
