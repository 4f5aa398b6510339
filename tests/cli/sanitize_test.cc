// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using vmm::TemporaryFile;

CommandResult run_flat(const std::string& guest, std::vector<std::string> more) {
    const TemporaryFile image(guest);
    std::vector<std::string> arguments = {"run",     "--flat", image.path(), "--load", "0x8000",
                                          "--entry", "0x8000", "--memory",   "2M",     "--sanitize"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments);
}

TEST(Sanitize, AGuestOfOursIsClean) {
    const auto result = run_flat(guests::kTimer, {});
    EXPECT_EQ(result.status, 7 << 1 | 1);
    EXPECT_TRUE(contains(result.err, "sanitizer: no misuse found")) << result.err;
}

TEST(Sanitize, TheReportSaysSo) {
    const auto result = run_flat(guests::kHalt, {"--stats", "json", "--debugcon", "", "--serial", ""});
    const auto json = nlohmann::json::parse(result.out, nullptr, false);
    ASSERT_TRUE(json.contains("sanitizer")) << result.out;
    EXPECT_TRUE(json["sanitizer"]["findings"].empty());
    EXPECT_EQ(json["sanitizer"]["dropped"], 0);
    EXPECT_EQ(json["status"], 0);
}

TEST(Sanitize, RulesAreListed) {
    const auto text = run_command({"sanitize", "rules"});
    EXPECT_EQ(text.status, 0);
    EXPECT_TRUE(contains(text.out, "tlb.missing-invept\n")) << text.out;
    const auto json = nlohmann::json::parse(run_command({"sanitize", "rules", "--json"}).out, nullptr, false);
    ASSERT_EQ(json.size(), 14u);
    for (const auto& rule : json) {
        for (const char* key : {"id", "sentence", "advice", "section"}) {
            EXPECT_FALSE(rule[key].get<std::string>().empty()) << rule.dump();
        }
    }
}

TEST(Sanitize, UnknownRulesAreRefused) {
    const auto result = run_flat(guests::kHalt, {"--sanitize-ignore", "no.such"});
    EXPECT_EQ(result.status, 2);
    EXPECT_TRUE(contains(result.err, "there is no rule \"no.such\"")) << result.err;
    EXPECT_EQ(run_flat(guests::kHalt, {"--sanitize-ignore", "ept.reserved"}).status, 0);
}

TEST(Sanitize, IgnoringNeedsASanitizer) {
    const TemporaryFile image(guests::kHalt);
    const auto result = run_command({"run", "--flat", image.path(), "--load", "0x8000", "--entry", "0x8000",
                                     "--sanitize-ignore", "ept.reserved"});
    EXPECT_EQ(result.status, 2);
}

}  // namespace
}  // namespace vtless::cli
