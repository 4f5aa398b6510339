// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/probe/comparison.h"
#include "tests/rom/run.h"

namespace vtless::probe {
namespace {

using rom::run_here;
using rom::run_in_bochs;
using rom::why_no_bochs;

constexpr size_t kAtLeast = 20000;  // rows

std::string scratch(const char* name) { return rom::scratch(std::string("probe-") + name); }

std::vector<Disagreement> known_disagreements() {
    std::ostringstream text;
    text << std::ifstream(PROBE_DATA "/disagreements.json").rdbuf();
    return read_disagreements(text.str());
}

// The machine answers every question, and twice the same.
TEST(Probe, RunsToItsEndTheSameTwice) {
    const std::string first = run_here(PROBE_ROM, "", scratch("once"));
    const Rows rows = parse_rows(first);
    EXPECT_TRUE(rows.complete) << first.substr(first.size() < 400 ? 0 : first.size() - 400);
    EXPECT_GE(rows.keys.size(), kAtLeast);
    EXPECT_EQ(first, run_here(PROBE_ROM, "", scratch("again")));
}

// It asks what misuse leads to, and gets the same answers while that is reported.
TEST(Probe, GetsTheSameAnswersUnderASanitizerThatNamesItsMisuse) {
    const std::string path = scratch("sanitized");
    EXPECT_EQ(run_here(PROBE_ROM, "", scratch("plain")), run_here(PROBE_ROM, "", path, "--sanitize"));
    std::ostringstream errors;
    errors << std::ifstream(path + "/ours.err").rdbuf();
    for (const char* rule :
         {"vmcs.launch-state", "vmcs.memory-reused", "field.read-unwritten", "ept.reserved"})
        EXPECT_NE(errors.str().find(std::string("sanitizer: ") + rule), std::string::npos) << rule;
}

TEST(Probe, AgreesWithBochsOrDiffersForAReason) {
    if (const std::string reason = why_no_bochs(); !reason.empty()) GTEST_SKIP() << "SKIP: " << reason;
    const Rows bochs = parse_rows(run_in_bochs(PROBE_ROM, scratch("bochs")));
    ASSERT_TRUE(bochs.complete) << "Bochs stopped after " << bochs.keys.size() << " rows";
    const Rows ours = parse_rows(run_here(PROBE_ROM, profile_of(bochs), scratch("ours")));
    ASSERT_TRUE(ours.complete);
    std::vector<Disagreement> known = known_disagreements();
    const Comparison comparison = compare(ours, bochs, known);
    std::cout << report(comparison, known);
    EXPECT_GE(comparison.rows, kAtLeast);
    EXPECT_GE(comparison.same, comparison.rows * 3 / 4);
    for (const Disagreement& entry : known)
        EXPECT_GT(entry.used, 0u) << entry.name << " does not occur any more";
    std::ofstream(scratch("ours") + "/unexplained") << ::testing::PrintToString(comparison.unexplained);
    for (size_t i = 0; i < comparison.unexplained.size() && i < 40; ++i)
        ADD_FAILURE() << comparison.unexplained[i];
    EXPECT_TRUE(comparison.unexplained.empty()) << comparison.unexplained.size() << " rows";
}

}  // namespace
}  // namespace vtless::probe
