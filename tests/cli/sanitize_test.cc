// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
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

TEST(Sanitize, FindingsAreReportedAndMakeTheStatus) {
    const auto result = run_flat(guests::kForgottenInvlpg, {"--stats", "json"});
    EXPECT_EQ(result.status, 4);
    EXPECT_TRUE(contains(result.err, "sanitizer: tlb.missing-invlpg: ")) << result.err;
    const auto json = nlohmann::json::parse(result.out, nullptr, false);
    ASSERT_EQ(json["sanitizer"]["findings"].size(), 1u) << result.out;
    EXPECT_EQ(json["sanitizer"]["findings"][0]["rule"], "tlb.missing-invlpg");
}

// In front of the exit that it happened before, and nothing that a comparison minds.
TEST(Sanitize, FindingsAreNotesInTheTrace) {
    const TemporaryFile noted;
    const TemporaryFile plain;
    ASSERT_EQ(run_flat(guests::kForgottenInvlpg, {"--trace", noted.path()}).status, 4);
    ASSERT_EQ(run_flat(guests::kForgottenInvlpg,
                       {"--trace", plain.path(), "--sanitize-ignore", "tlb.missing-invlpg"})
                  .status,
              0x2a << 1 | 1);
    std::ifstream file(noted.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const size_t note = text.find("\n# sanitizer: tlb.missing-invlpg: ");
    ASSERT_NE(note, std::string::npos) << text;
    EXPECT_GT(note, text.find("port=0x80")) << text;
    EXPECT_LT(note, text.find("port=0xf4")) << text;
    const auto same = run_command({"trace", "diff", noted.path(), plain.path()});
    EXPECT_EQ(same.status, 0) << same.out;
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
