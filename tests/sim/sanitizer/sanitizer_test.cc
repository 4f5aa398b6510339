// SPDX-License-Identifier: MIT
#include "sim/sanitizer/sanitizer.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace vtless::sim {
namespace {

const auto kNothing = [] { return std::string("case"); };

TEST(SanitizerRules, HaveDistinctIdsAndSayWhatToDo) {
    std::set<std::string> ids;
    for (const RuleInfo& rule : all_rules()) {
        EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
        EXPECT_EQ(find_rule(rule.id), rule.rule);
        EXPECT_EQ(std::string(rule.sentence).back(), '.') << rule.id;
        EXPECT_EQ(std::string(rule.advice).back(), '.') << rule.id;
        EXPECT_EQ(std::string(rule.section).find("SDM Vol. 3"), 0u) << rule.id;
    }
    EXPECT_EQ(find_rule("no.such-rule"), std::nullopt);
}

TEST(Sanitizer, CountsRepeatsAndKeepsABoundedNumber) {
    SanitizerConfig config;
    config.max_findings = 2;
    unsigned heard = 0;
    config.listener = [&heard](const Finding&) { ++heard; };
    Sanitizer sanitizer(config);
    EXPECT_TRUE(sanitizer.clean());
    for (uint64_t key : {1, 1, 2, 3, 3, 1}) sanitizer.report(Rule::EptReserved, {}, {key, 0}, kNothing);
    ASSERT_EQ(sanitizer.findings().size(), 2u);
    EXPECT_EQ(sanitizer.findings()[0].count, 3u);
    EXPECT_EQ(sanitizer.findings()[1].count, 1u);
    EXPECT_EQ(sanitizer.dropped(), 2u);
    EXPECT_EQ(heard, 2u);
    EXPECT_FALSE(sanitizer.clean());
}

TEST(Sanitizer, IgnoresWhatItIsTold) {
    SanitizerConfig config;
    config.ignored.add(Rule::EptReserved);
    Sanitizer sanitizer(config);
    sanitizer.report(Rule::EptReserved, {}, {}, kNothing);
    EXPECT_TRUE(sanitizer.clean());
    sanitizer.report(Rule::ExitNotAdvanced, {}, {}, kNothing);
    EXPECT_FALSE(sanitizer.clean());
}

TEST(Sanitizer, DescribesAFindingInOneLine) {
    const Finding finding{Rule::ExitNotAdvanced, {1, 7, 100, 0x7c00, Hpa(0x3000)}, "RDMSR.", 3};
    const std::string text = describe(finding);
    EXPECT_EQ(text.find("exit.not-advanced: "), 0u);
    EXPECT_NE(text.find("RDMSR. [processor 1, after exit 7, cycle 100, RIP 0x7c00, VMCS 0x3000, 3 times]"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(Sanitizer, RemembersABoundedNumberOfVmcss) {
    Sanitizer sanitizer;
    unsigned kept = 0;
    for (uint64_t page = 1; page <= 5000; ++page) kept += sanitizer.record(Hpa(page << 12)) != nullptr;
    EXPECT_EQ(kept, 1024u);
    EXPECT_NE(sanitizer.record(Hpa(0x1000)), nullptr);
    EXPECT_EQ(sanitizer.record(Hpa(5000u << 12)), nullptr);
}

}  // namespace
}  // namespace vtless::sim
