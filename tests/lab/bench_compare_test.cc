// SPDX-License-Identifier: MIT
#include "lab/bench_compare.h"

#include <gmock/gmock.h>

namespace vtless::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

BenchResult some_result() {
    BenchResult result;
    result.rows["exact/cpuid"] = {{{"cycles", 531}, {"vmwrites", 1}, {"vmwrite GUEST_RIP", 1}, {"exits", 1}},
                                  100};
    result.rows["exact/hlt"] = {{{"cycles", 531}, {"exits", 1}}, 100};
    return result;
}

TEST(BenchCompare, NothingChangedIsSaidToBeEqual) {
    const BenchComparison comparison = compare(some_result(), some_result());
    EXPECT_TRUE(comparison.equal());
    EXPECT_EQ(comparison.same, 2u);
    EXPECT_THAT(text(comparison), HasSubstr("2 benchmarks count exactly what they counted"));
}

TEST(BenchCompare, EachCounterThatChangedIsNamedTheCauseFirst) {
    BenchResult now = some_result();
    now.rows["exact/cpuid"].counters = {
        {"cycles", 531.5}, {"vmwrites", 2}, {"vmwrite GUEST_RIP", 1}, {"vmwrite GUEST_RSP", 1}, {"exits", 1}};
    const BenchComparison comparison = compare(some_result(), now);
    EXPECT_FALSE(comparison.equal());
    ASSERT_EQ(comparison.changes.size(), 3u);
    EXPECT_EQ(comparison.changes[0].counter, "vmwrite GUEST_RSP");
    EXPECT_FALSE(comparison.changes[0].before);
    EXPECT_EQ(comparison.changes[1].counter, "vmwrites");
    EXPECT_EQ(comparison.changes[2].counter, "cycles");
    EXPECT_EQ(comparison.changes[2].after, 531.5);
    const std::string shown = text(comparison);
    EXPECT_THAT(shown, HasSubstr("exact/cpuid\n"));
    EXPECT_THAT(shown,
                HasSubstr("vmwrite GUEST_RSP                         -          1         +1  handler"));
    EXPECT_THAT(shown, Not(HasSubstr("exact/hlt\n")));
    EXPECT_THAT(shown, HasSubstr("1 benchmarks count exactly"));
}

TEST(BenchCompare, ABenchmarkMoreOrLessIsADifference) {
    BenchResult now = some_result();
    now.rows.erase("exact/hlt");
    now.rows["exact/new"] = {};
    const BenchComparison comparison = compare(some_result(), now);
    EXPECT_FALSE(comparison.equal());
    EXPECT_THAT(comparison.missing, ElementsAre("exact/hlt"));
    EXPECT_THAT(comparison.unknown, ElementsAre("exact/new"));
    EXPECT_THAT(text(comparison), HasSubstr("exact/hlt: in the baseline, but not run"));
}

TEST(BenchCompare, HostTimeIsShownAndDoesNotCount) {
    BenchResult now = some_result();
    now.rows["exact/hlt"].host_ns = 300;
    const BenchComparison comparison = compare(some_result(), now);
    EXPECT_TRUE(comparison.equal());
    EXPECT_THAT(text(comparison), HasSubstr("exact/hlt: 3.00 x the host time (noise; not gated)"));
    BenchResult baseline = some_result();
    for (auto& [name, row] : baseline.rows) row.host_ns.reset();
    EXPECT_TRUE(compare(baseline, now).host_ratios.empty());
}

// Whose file is not the other's: said, and no difference.
TEST(BenchCompare, RowsOfOtherFilesAreNamedAndNotCompared) {
    BenchResult before, after;
    before.rows["exact/boot@1"] = {{{"cycles", 5}}, {}};
    after.rows["exact/boot@2"] = {{{"cycles", 6}}, {}};
    const auto other = compare(before, after);
    EXPECT_TRUE(other.equal());
    EXPECT_THAT(text(other),
                AllOf(HasSubstr("exact/boot@1: NOT COMPARED"), HasSubstr("exact/boot@2: NOT COMPARED")));
    after.rows["exact/boot@1"] = {{{"cycles", 6}}, {}};
    EXPECT_FALSE(compare(before, after).equal());
}

}  // namespace
}  // namespace vtless::lab
