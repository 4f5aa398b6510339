// SPDX-License-Identifier: MIT
// Every check of VM entry, broken one at a time in an otherwise valid VMCS. SDM Vol. 3C 27.2, 27.3.
#include "sim/vmx/entry_checks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "isa/x86/apic_register.h"
#include "sim/vmx/allowed_values.h"
#include "sim/vmx/vmx_operation.h"
#include "tests/sim/vmx/broken_vmcs.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;

// The valid VMCS but for some writes, on a processor of its own.
class CheckedVmcs {
  public:
    explicit CheckedVmcs(const BrokenVmcs& broken) : capabilities_(broken.capabilities) {
        ValidVmcs{}.fill([&](F field, uint64_t value) { vmcs_.set(field, value); });
        for (const auto& [field, value] : broken.writes) vmcs_.set(field, value);
        if (!broken.ia32e_host) root_.efer &= ~x86::efer::LMA;
    }
    static CheckedVmcs with(const std::vector<VmcsWrite>& writes) { return CheckedVmcs({"", writes}); }

    void set(F field, uint64_t value) { vmcs_.set(field, value); }
    EntryChecker checker() const { return {vmcs_, {root_, &memory(), capabilities_}}; }

    std::string first() const {
        EntryChecker c = checker();
        if (run(c)) return "";
        return c.failure()->id();
    }
    std::vector<EntryFailure> all() const {
        std::vector<EntryFailure> failures;
        EntryChecker c = checker();
        c.find_all(failures);
        EXPECT_TRUE(run(c));
        return failures;
    }
    std::set<std::string> all_ids() const {
        std::set<std::string> ids;
        for (const EntryFailure& failure : all()) ids.insert(failure.id());
        return ids;
    }

  private:
    static bool run(EntryChecker& c) {
        return run_entry_checks(c, EntryStage::Controls) && run_entry_checks(c, EntryStage::Host) &&
               run_entry_checks(c, EntryStage::Guest);
    }
    static const HostMemory& memory() {
        static const HostMemory ram = [] {
            HostMemory made = HostMemory::create(1 << 20).value();
            const auto put = [&](uint64_t at, uint32_t header) {
                std::memcpy(made.map(Hpa(at)), &header, sizeof header);
            };
            put(0x2000, capability::kRevision);
            put(0x3000, capability::kRevision | kShadowIndicator);
            put(kVirtualApic + x86::apic_register::TPR, kVtpr);
            return made;
        }();
        return ram;
    }

    Vmcs vmcs_{Hpa(0x8000)};
    RootState root_;
    VmxCapabilities capabilities_;
};

void expect_each(const std::vector<BrokenVmcs>& table) {
    for (const BrokenVmcs& broken : table) EXPECT_EQ(CheckedVmcs(broken).first(), broken.id);
}

TEST(EntryChecks, PassForTheValidVmcs) { EXPECT_EQ(CheckedVmcs::with({}).first(), ""); }
TEST(EntryChecks, PassForVirtual8086Mode) { EXPECT_EQ(CheckedVmcs::with(v8086({})).first(), ""); }
TEST(EntryChecks, NameTheBrokenControl) { expect_each(broken_controls()); }
TEST(EntryChecks, NameTheBrokenInjection) { expect_each(broken_injection()); }
TEST(EntryChecks, NameTheBrokenHostField) { expect_each(broken_host()); }
TEST(EntryChecks, NameTheBrokenGuestRegister) { expect_each(broken_guest_registers()); }
TEST(EntryChecks, NameTheBrokenGuestSegment) { expect_each(broken_guest_segments()); }
TEST(EntryChecks, NameTheBrokenNonRegisterState) { expect_each(broken_guest_nonregister()); }

TEST(EntryChecks, PassOnTheGoodSideOfEachLimit) {
    for (const BrokenVmcs& good : barely_good_vmcss()) EXPECT_EQ(CheckedVmcs(good).first(), "") << good.id;
}

TEST(EntryChecks, PassForRealModeUnderUnrestrictedGuest) {
    const auto controls = kEngineCapabilities.entry.adjust({{0}}).raw;
    const auto real = CheckedVmcs::with({{F::VM_ENTRY_CONTROLS, controls},
                                         {F::GUEST_CR0, x86::cr0::NE},
                                         {F::GUEST_CR4, x86::cr4::VMXE},
                                         {F::GUEST_CS_ACCESS_RIGHTS, 0x93},
                                         {F::GUEST_CS_LIMIT, 0xffff},
                                         {F::GUEST_CS_BASE, 0xffff0000},
                                         {F::GUEST_RIP, 0xfff0}});
    EXPECT_EQ(real.first(), "");
}

TEST(EntryChecks, ReportFieldValueRuleAndQualification) {
    const auto failures = CheckedVmcs::with({{F::VMCS_LINK_POINTER, 0x1001}}).all();
    ASSERT_EQ(failures.size(), 1);
    EXPECT_EQ(failures[0].field, F::VMCS_LINK_POINTER);
    EXPECT_EQ(failures[0].value, 0x1001);
    EXPECT_EQ(failures[0].qualification, 4);
    EXPECT_STREQ(failures[0].check.rule().section.number, "27.3.1.5");
}

// A check of the table that no case breaks would be one that nothing uses, or that nothing tests. (The other
// way round, a use without a row, does not compile.)
TEST(EntryCheckTable, EachCheckOfTheVmcsIsBrokenByACase) {
    std::set<std::string> broken;
    for (const BrokenVmcs& one : all_broken_vmcss()) broken.insert(one.id);
    for (const EntryCheckRule& rule : kEntryCheckRules) {
        if (std::string_view(rule.id).substr(0, 5) == "load.") continue;  // entry_explanation_test.cc
        EXPECT_EQ(broken.count(rule.id), 1) << rule.id;
    }
}

TEST(EntryCheckTable, IdsAreUniqueAndSentencesAreSentences) {
    std::set<std::string_view> ids;
    for (const EntryCheckRule& rule : kEntryCheckRules) {
        EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
        const std::string_view sentence = rule.sentence;
        EXPECT_EQ(sentence.back(), '.') << rule.id;
        EXPECT_EQ(sentence.find(". "), std::string_view::npos) << rule.id;
        EXPECT_TRUE(sentence[0] >= 'A' && sentence[0] <= 'Z') << rule.id << ": " << sentence;
    }
}

TEST(AllViolations, StartWithTheOneThatHardwareReports) {
    for (const BrokenVmcs& broken : all_broken_vmcss()) {
        const auto failures = CheckedVmcs(broken).all();
        ASSERT_FALSE(failures.empty()) << broken.id;
        EXPECT_EQ(failures[0].id(), broken.id);
    }
}

TEST(AllViolations, AreFoundTogether) {
    const auto bad = CheckedVmcs::with({{F::VPID, 0},
                                        {F::HOST_TR_SELECTOR, 0},
                                        {F::GUEST_RFLAGS, 0},
                                        {F::GUEST_CR4, 0},
                                        {F::GUEST_ACTIVITY_STATE, 9}});
    EXPECT_EQ(bad.first(), "controls.vpid.zero");
    EXPECT_EQ(bad.all_ids(), (std::set<std::string>{"controls.vpid.zero", "host.tr.null", "guest.cr4.fixed",
                                                    "guest.cr4.ia32e_without_pae", "guest.rflags.reserved",
                                                    "guest.activity.unsupported"}));
}

TEST(AllViolations, AreNoneForTheValidVmcs) { EXPECT_TRUE(CheckedVmcs::with({}).all().empty()); }

TEST(AllowedValues, DoNotHoldTheValueThatFails) {
    for (const BrokenVmcs& broken : all_broken_vmcss()) {
        const CheckedVmcs vmcs(broken);
        const EntryFailure failure = vmcs.all().at(0);
        EXPECT_FALSE(allowed_values(vmcs.checker(), failure).accepts(failure.value)) << broken.id;
    }
}

// What is said to be allowed passes the very check that failed.
TEST(AllowedValues, RepairTheCheck) {
    unsigned repaired = 0;
    for (const BrokenVmcs& broken : all_broken_vmcss()) {
        CheckedVmcs vmcs(broken);
        const EntryFailure failure = vmcs.all().at(0);
        const auto value = allowed_values(vmcs.checker(), failure).repair(failure.value);
        if (!value) continue;
        ++repaired;
        vmcs.set(failure.field, *value);
        EXPECT_EQ(vmcs.all_ids().count(broken.id), 0) << broken.id << " with " << std::hex << *value;
    }
    EXPECT_GT(repaired, all_broken_vmcss().size() * 9 / 10) << "nearly all can be repaired in one field";
}

std::string text(const std::vector<VmcsWrite>& writes) {
    const auto vmcs = CheckedVmcs::with(writes);
    const EntryFailure failure = vmcs.all().at(0);
    return describe(allowed_values(vmcs.checker(), failure), failure.field, failure.value);
}

TEST(AllowedValues, AreDescribedByNameAndExample) {
    EXPECT_EQ(text({{F::GUEST_CR4, x86::cr4::PAE}}), "VMXE (bit 13) must be 1; for example 0x2020");
    EXPECT_EQ(text({{F::CR3_TARGET_COUNT, 5}}), "it must be at most 0x4; for example 0x4");
    EXPECT_EQ(text({{F::GUEST_RIP, 0x0001000000000000}}),
              "bits 63:48 must all be equal; for example 0xffff000000000000");
    EXPECT_EQ(text({{F::GUEST_FS_BASE, 0x0000800000000000}}),
              "bits 63:47 must all be equal; for example 0xffff800000000000");
    EXPECT_EQ(text({{F::GUEST_CS_ACCESS_RIGHTS, 0xa09a}}),
              "type (bits 3:0) must be 3, 9, 11, 13 or 15; for example 0xa093");
    EXPECT_EQ(text({{F::GUEST_GDTR_LIMIT, 0x10000}}), "bits 31:16 must be 0; for example 0x0");
    EXPECT_EQ(text({{F::GUEST_IA32_PAT, 0x0300}}), "each byte must be 0, 1, 4, 5, 6 or 7; for example 0x600");
}

}  // namespace
}  // namespace vtless::sim
