// SPDX-License-Identifier: MIT
#include "explain/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/sim/vmx/broken_vmcs.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::explain {
namespace {

using F = x86::VmcsField;
using sim::BrokenVmcs;

Dump dump_with(const std::vector<sim::VmcsWrite>& writes) {
    sim::Vmcs vmcs{Hpa(0)};
    sim::ValidVmcs{}.fill([&](F field, uint64_t value) { vmcs.set(field, value); });
    for (const auto& [field, value] : writes) vmcs.set(field, value);
    return dump_of(vmcs, true);
}
Dump dump_of_broken(const BrokenVmcs& broken) {
    Dump dump = dump_with(broken.writes);
    dump.ia32e_host = broken.ia32e_host;
    return dump;
}

bool violates(const Report& report, const std::string& id) {
    return std::any_of(report.violations.begin(), report.violations.end(),
                       [&](const Violation& one) { return one.rule->id == id; });
}
const Undecided* undecided(const Report& report, const std::string& id) {
    const auto found = std::find_if(report.undecided.begin(), report.undecided.end(),
                                    [&](const Undecided& one) { return one.rule->id == id; });
    return found == report.undecided.end() ? nullptr : &*found;
}

TEST(Explain, FindsNothingInAValidVmcs) {
    const Report report = explain(dump_with({}));
    EXPECT_TRUE(report.violations.empty()) << text_report(report);
    EXPECT_TRUE(report.undecided.empty()) << text_report(report);
}

// What a link pointer names, and VTPR, are in memory: only that is not in a complete dump.
TEST(Explain, FindsEachBrokenCheckFirst) {
    for (const BrokenVmcs& broken : sim::all_broken_vmcss()) {
        const Report report = explain(dump_of_broken(broken), broken.capabilities);
        if (broken.id == "guest.link_pointer.revision" || broken.id == "guest.link_pointer.current" ||
            broken.id == "controls.tpr_threshold.above_vtpr") {
            EXPECT_NE(undecided(report, broken.id), nullptr);
            continue;
        }
        ASSERT_FALSE(report.violations.empty()) << broken.id;
        EXPECT_EQ(report.violations[0].rule->id, broken.id);
        EXPECT_TRUE(report.first_is_certain) << broken.id;
    }
}

// Hiding a field that breaks a check never makes the check pass in silence.
TEST(Explain, NeverPassesACheckThatNeedsAHiddenField) {
    for (const BrokenVmcs& broken : sim::all_broken_vmcss()) {
        for (const auto& [hidden, value] : broken.writes) {
            Dump dump = dump_of_broken(broken);
            dump.fields.erase(hidden);
            const Report report = explain(dump, broken.capabilities);
            EXPECT_TRUE(violates(report, broken.id) || undecided(report, broken.id) != nullptr)
                << broken.id << " without " << x86::name(hidden);
        }
    }
}

TEST(Explain, NamesTheHiddenField) {
    Dump dump = dump_with({});
    dump.fields.erase(F::HOST_RIP);
    const Report report = explain(dump);
    EXPECT_TRUE(report.violations.empty());
    ASSERT_EQ(report.undecided.size(), 1) << text_report(report);
    EXPECT_STREQ(report.undecided[0].rule->id, "host.rip.canonical");
    EXPECT_EQ(report.undecided[0].needs, std::vector<std::string>{"HOST_RIP"});
}

TEST(Explain, AHiddenFieldThatDoesNotMatterIsNotMissed) {
    Dump dump = dump_with({});
    for (const F field : {F::IO_BITMAP_A, F::MSR_BITMAP, F::GUEST_PDPTE0, F::TSC_OFFSET})
        dump.fields.erase(field);
    EXPECT_TRUE(explain(dump).undecided.empty());
}

TEST(Explain, AnUnknownHostModeIsMissed) {
    Dump dump = dump_with({});
    dump.ia32e_host.reset();
    EXPECT_NE(undecided(explain(dump), "host.address_space_size"), nullptr);
}

TEST(Explain, FirstIsUncertainBehindAnUndecidedCheck) {
    Dump dump = dump_with({{F::GUEST_RFLAGS, 0}});
    EXPECT_TRUE(explain(dump).first_is_certain);
    dump.fields.erase(F::HOST_TR_BASE);
    EXPECT_FALSE(explain(dump).first_is_certain);
}

TEST(Explain, ChecksTheMsrsThatADumpShows) {
    Dump dump = dump_with({{F::VM_ENTRY_MSR_LOAD_COUNT, 2}, {F::VM_ENTRY_MSR_LOAD_ADDRESS, 0x1000}});
    EXPECT_NE(undecided(explain(dump), "load.msr.segment_base"), nullptr);
    dump.entry_msrs = {{0xc0000080, 0, 0}, {0xc0000100, 0, 0}};
    const Report report = explain(dump);
    EXPECT_TRUE(violates(report, "load.msr.segment_base"));
    EXPECT_TRUE(violates(report, "load.msr.lme")) << "the guest of the dump has paging on";
    EXPECT_EQ(report.violations[0].allowed,
              "entry 1, which loads MSR 0xc0000080 (IA32_EFER) with 0x0: LME (bit 8) must be 1; for example "
              "0x100");
    EXPECT_EQ(undecided(report, "load.msr.x2apic"), nullptr);
    EXPECT_EQ(undecided(report, "load.msr.value"), nullptr);
    EXPECT_NE(undecided(report, "load.msr.memory"), nullptr);
}

// Another processor may have it.
TEST(Explain, AnMsrThatThisProcessorHasNotIsNotDecided) {
    Dump dump = dump_with({{F::VM_ENTRY_MSR_LOAD_COUNT, 2}, {F::VM_ENTRY_MSR_LOAD_ADDRESS, 0x1000}});
    dump.entry_msrs = {{0x38f, 0, 7}, {0xc0000082, 0, 0x1234}};
    const Report report = explain(dump);
    EXPECT_TRUE(report.violations.empty()) << text_report(report);
    EXPECT_NE(undecided(report, "load.msr.unknown"), nullptr);
    EXPECT_NE(undecided(report, "load.msr.value"), nullptr) << "of IA32_PERF_GLOBAL_CTRL";
    dump.entry_msrs[1].value = 0x0000800000000000;
    EXPECT_TRUE(violates(explain(dump), "load.msr.value"));
}

TEST(Explain, LmeIsNotDecidedWithoutPaging) {
    Dump dump = dump_with({{F::VM_ENTRY_MSR_LOAD_COUNT, 1}, {F::VM_ENTRY_MSR_LOAD_ADDRESS, 0x1000}});
    dump.entry_msrs = {{0xc0000080, 0, 0}};
    EXPECT_TRUE(violates(explain(dump), "load.msr.lme"));
    dump.fields.erase(F::GUEST_CR0);
    EXPECT_FALSE(violates(explain(dump), "load.msr.lme"));
    EXPECT_NE(undecided(explain(dump), "load.msr.lme"), nullptr);
}

TEST(Explain, PdptesInMemoryAreNotDecided) {
    const Report report = explain(
        dump_with({{F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, x86::SecondaryControls::ENABLE_VPID},
                   {F::VM_ENTRY_CONTROLS, sim::capability::kEntry.adjust({{0}}).raw},
                   {F::GUEST_CS_ACCESS_RIGHTS, 0xc09b}}));
    EXPECT_TRUE(report.violations.empty()) << text_report(report);
    EXPECT_NE(undecided(report, "load.pdptes"), nullptr);
}

TEST(ReportText, NamesCheckSectionFieldValueAllowedAndConsequence) {
    const std::string text = text_report(explain(dump_with({{F::GUEST_CR4, x86::cr4::PAE}})));
    EXPECT_NE(text.find("guest.cr4.fixed  SDM Vol. 3C \"Checks on Guest Control Registers, Debug Registers, "
                        "and MSRs\" (27.3.1.1)\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("GUEST_CR4 is 0x20; allowed: VMXE (bit 13) must be 1; for example 0x2020\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("by exit with reason 0x80000021.\n"), std::string::npos) << text;
}

TEST(ReportJson, HasTheSame) {
    const auto json = nlohmann::json::parse(json_report(explain(dump_with({{F::VPID, 0}}))));
    ASSERT_EQ(json["violations"].size(), 1);
    EXPECT_EQ(json["violations"][0]["id"], "controls.vpid.zero");
    EXPECT_EQ(json["violations"][0]["field"], "VPID");
    EXPECT_EQ(json["violations"][0]["value"], "0x0");
    EXPECT_EQ(json["violations"][0]["consequence"], "VMfailValid with error 7");
}

TEST(CheckList, HasEveryCheck) {
    const auto json = nlohmann::json::parse(json_checks());
    EXPECT_EQ(json.size(), sim::kEntryChecks);
    std::set<std::string> ids;
    for (const auto& check : json) ids.insert(check["id"].get<std::string>());
    EXPECT_EQ(ids.size(), sim::kEntryChecks);
    const std::string text = text_checks();
    EXPECT_EQ(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')), sim::kEntryChecks);
}

}  // namespace
}  // namespace vtless::explain
