// SPDX-License-Identifier: MIT
// Random programs end alike here and in Bochs.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tests/differential/layout.h"
#include "tests/differential/program.h"
#include "tests/differential/runs.h"
#include "tests/differential/saved_case.h"
#include "tests/rom/run.h"

namespace vtless::differential {
namespace {

constexpr Mode kAllModes[] = {Mode::Real16, Mode::Protected32, Mode::Long64};
constexpr uint64_t kPrograms = 300;  // of each mode

std::string scratch(Mode mode) { return rom::scratch(std::string("differential-test-") + name(mode)); }

TEST(Programs, AreWhatSeedAndModeSay) {
    for (const Mode mode : kAllModes) {
        for (uint64_t seed = 0; seed < 2000; ++seed) {
            const Program program(mode, seed);
            const Program again(mode, seed);
            ASSERT_EQ(program.code().size(), again.code().size());
            EXPECT_TRUE(std::equal(program.code().data(), program.code().data() + program.code().size(),
                                   again.code().data()));
            EXPECT_GT(program.end(), program.begin());
            // Room was enough, and the stack is out of reach.
            EXPECT_LT(program.last_address(), layout::kCode + 1024) << name(mode) << ' ' << seed;
        }
    }
}

TEST(Programs, OfFewerInstructionsKeepTheOthers) {
    const uint64_t seed = 7;
    const Program all(Mode::Long64, seed);
    size_t sum = 0;
    for (unsigned i = 0; i < all.instructions(); ++i) {
        const Program one(Mode::Long64, seed, uint64_t{1} << i);
        sum += one.end() - one.begin();
    }
    EXPECT_EQ(sum, all.end() - all.begin());
    const Program none(Mode::Long64, seed, 0);
    EXPECT_EQ(none.begin(), none.end());
}

TEST(Outcomes, AreReadAndCompared) {
    const std::string line = "1f| 1 2 b 80000306 0 | 1028 10093 |";
    std::string registers;
    for (unsigned i = 0; i < 16; ++i) registers += " " + std::to_string(i);
    const auto read = parse_outcomes("Bochs says\n" + line + registers + " | aa bb cc\n");
    ASSERT_EQ(read.size(), 1u);
    const Outcome outcome = read.at(0x1f);
    EXPECT_EQ(outcome.rip, 0x1028u);
    EXPECT_EQ(outcome.gprs[9], 9u);
    EXPECT_EQ(outcome.memory[2], 0xccu);
    EXPECT_EQ(difference(outcome, outcome), "");
    Outcome other = outcome;
    other.gprs[1] = 7;
    EXPECT_EQ(difference(outcome, other), "RCX 1, Bochs 7");
    other = outcome;
    other.memory[1] = 0;
    EXPECT_EQ(difference(outcome, other), "hash of data bb, Bochs 0");
    EXPECT_TRUE(parse_outcomes("12| 1 2").empty());
}

class Differential : public ::testing::TestWithParam<Mode> {};

TEST_P(Differential, ProgramsEndAlikeHereAndInBochs) {
    if (const std::string reason = rom::why_no_bochs(); !reason.empty()) GTEST_SKIP() << "SKIP: " << reason;
    const Mode mode = GetParam();
    const Outcomes outcomes = run({mode, 0, kPrograms}, scratch(mode));
    EXPECT_EQ(outcomes.ours.size(), kPrograms);
    EXPECT_EQ(outcomes.bochs.size(), kPrograms);
    unsigned reported = 0;
    for (const auto& [seed, ours] : outcomes.ours) {
        const auto bochs = outcomes.bochs.find(seed);
        if (bochs == outcomes.bochs.end() || difference(ours, bochs->second).empty()) continue;
        if (++reported > 3) continue;  // each takes seconds to make small
        const Mismatch found = minimise(mode, seed, scratch(mode));
        ADD_FAILURE() << "seed " << seed << ": " << found.difference << '\n'
                      << fmt::format("{}", fmt::join(disassemble(mode, found.program()), "\n"));
    }
    EXPECT_EQ(reported, 0u);
}

TEST_P(Differential, ProgramsEndTheSameTwiceAndWhateverRanBefore) {
    const Mode mode = GetParam();
    const auto all = run_here({mode, 100, 60}, scratch(mode));
    ASSERT_EQ(all.size(), 60u);
    EXPECT_EQ(run_here({mode, 100, 60}, scratch(mode)), all);
    for (const auto& [seed, outcome] : run_here({mode, 140, 20}, scratch(mode)))
        EXPECT_EQ(outcome, all.at(seed)) << seed;
}

INSTANTIATE_TEST_SUITE_P(Modes, Differential, ::testing::ValuesIn(kAllModes),
                         [](const auto& mode) { return std::string(name(mode.param)); });

}  // namespace
}  // namespace vtless::differential
