// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/cli/command.h"

namespace vtless::cli {
namespace {

std::string written(const std::string& name, const std::string& text) {
    std::string path = ::testing::TempDir() + "bench-" + name + ".json";
    std::ofstream(path) << text;
    return path;
}

std::string result_with(int vmwrites) {
    std::ostringstream json;
    json
        << R"({"context": {"vtless_counters": "1"}, "benchmarks": [{"name": "exact/hlt", "run_type": "iteration",
        "real_time": 5, "time_unit": "ns", "vmwrites": )"
        << vmwrites << "}]}";
    return json.str();
}

TEST(Bench, AChangeEndsWithItsNameAndHowToAcceptIt) {
    const std::string before = written("before", result_with(1));
    const std::string after = written("after", result_with(2));
    const auto same = run_command({"bench", "compare", before, before});
    EXPECT_EQ(same.status, 0) << same.err;
    EXPECT_TRUE(contains(same.out, "1 benchmarks count exactly what they counted")) << same.out;
    const auto changed = run_command({"bench", "compare", before, after});
    EXPECT_EQ(changed.status, 1) << changed.err;
    EXPECT_TRUE(contains(changed.out, "exact/hlt")) << changed.out;
    EXPECT_TRUE(contains(changed.out, "vtless bench baseline " + after + " -o " + before)) << changed.out;

    EXPECT_EQ(run_command({"bench", "baseline", after, "-o", before}).status, 0);
    EXPECT_EQ(run_command({"bench", "compare", before, after}).status, 0);
    std::ostringstream accepted;
    accepted << std::ifstream(before).rdbuf();
    EXPECT_EQ(run_command({"bench", "baseline", after}).out, accepted.str());
}

TEST(Bench, WhatIsNoResultIsRefused) {
    const std::string good = written("good", result_with(1));
    expect_refused({"bench", "compare", good, "/nonexistent.json"}, "/nonexistent.json: cannot be read");
    expect_refused({"bench", "compare", written("bad", "[]"), good}, "neither a result of Google Benchmark");
    expect_refused({"bench", "compare", good}, "NEW is required");
    expect_refused({"bench", "baseline", good, "-o", "/nonexistent/file"}, "cannot be written");
    expect_refused({"bench"}, "Subcommands of bench: compare, baseline");
}

}  // namespace
}  // namespace vtless::cli
