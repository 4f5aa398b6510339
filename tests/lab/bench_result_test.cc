// SPDX-License-Identifier: MIT
#include "lab/bench_result.h"

#include <gmock/gmock.h>

#include <fstream>

namespace vtless::lab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Counters = std::map<std::string, double>;

constexpr const char* kContext = R"("context": {"date": "today", "vtless_counters": "1"})";

std::string file_with(const std::string& text) {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string path = ::testing::TempDir() + "lab-" + test->name() + ".json";
    std::ofstream(path) << text;
    return path;
}
Expected<BenchResult, std::string> read(const std::string& text) {
    return read_bench_result(file_with(text));
}
std::string result_of(const std::string& rows) {
    return std::string("{") + kContext + R"(, "benchmarks": [)" + rows + "]}";
}

TEST(BenchResult, HoldsTheCountersOfExactBenchmarksAndTheirTime) {
    const auto result = read(result_of(
        R"({"name": "exact/cpuid", "run_type": "iteration", "family_index": 3, "iterations": 100, "threads": 1,
            "real_time": 2.5, "cpu_time": 2, "time_unit": "us", "cycles": 531, "vmread GUEST_RIP": 1.25},
           {"name": "exit/cpuid", "run_type": "iteration", "real_time": 1, "ratio": 1.9},
           {"name": "exact/cpuid_mean", "run_type": "aggregate", "real_time": 1, "cycles": 1})"));
    ASSERT_TRUE(result) << result.error();
    ASSERT_EQ(result->rows.size(), 1u);
    const BenchRow& row = result->rows.at("exact/cpuid");
    EXPECT_EQ(row.counters, (Counters{{"cycles", 531}, {"vmread GUEST_RIP", 1.25}}));
    EXPECT_EQ(row.host_ns, 2500);
}

TEST(BenchResult, BecomesABaselineThatReadsTheSameButForHostTime) {
    BenchResult result;
    result.rows["exact/cpuid"] = {{{"cycles", 531}, {"exits", 0.5}}, 100};
    result.rows["exact/hlt"] = {{{"cycles", 530}}, 100};
    const std::string baseline = baseline_json(result);
    EXPECT_THAT(baseline, AllOf(HasSubstr(R"("cycles": 531,)"), HasSubstr(R"("exits": 0.5)")));
    const auto again = read(baseline);
    ASSERT_TRUE(again) << again.error();
    ASSERT_EQ(again->rows.size(), 2u);
    EXPECT_EQ(again->rows.at("exact/cpuid").counters, result.rows.at("exact/cpuid").counters);
    EXPECT_FALSE(again->rows.at("exact/cpuid").host_ns);
    EXPECT_EQ(baseline_json(*again), baseline);
}

TEST(BenchResult, WhatCannotBeUsedIsNamed) {
    EXPECT_THAT(read_bench_result("/nowhere.json").error(), HasSubstr("/nowhere.json: cannot be read"));
    EXPECT_THAT(read("{").error(), HasSubstr("not JSON"));
    EXPECT_THAT(read("[1]").error(), HasSubstr("neither a result of Google Benchmark"));
    EXPECT_THAT(read(R"({"context": {}, "benchmarks": []})").error(), HasSubstr("no \"vtless_counters\""));
    EXPECT_THAT(read(R"({"context": {"vtless_counters": "0"}, "benchmarks": []})").error(),
                HasSubstr("counters are of version 0, this build's of version 1"));
    EXPECT_THAT(read(R"({"vtless_counters": 7, "vtless_baseline": {"exact/a": {}}})").error(),
                HasSubstr("version 7"));
    EXPECT_THAT(read(R"({"vtless_counters": 1, "vtless_baseline": {"exact/a": 3}})").error(),
                HasSubstr("exact/a"));
    EXPECT_THAT(read(result_of("")).error(), HasSubstr("no benchmark named exact/"));
    EXPECT_THAT(read(result_of("5")).error(), HasSubstr("without a name"));
    EXPECT_THAT(
        read(result_of(R"({"name": "exact/a", "error_occurred": true, "error_message": "boom"})")).error(),
        HasSubstr("exact/a failed: boom"));
}

}  // namespace
}  // namespace vtless::lab
