// SPDX-License-Identifier: MIT
#include "lab/campaign_plan.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/lab/campaign_folder.h"

namespace vtless::lab {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

using CampaignPlanning = CampaignFolder;

const std::string kMatrix =
    "name = \"n\"\ncpus = [\"default\", \"skylake-sp\"]\nprofiles = [\"haswell\", \"skylake\"]\n"
    "fidelities = [\"approx\", \"count\"]\nseeds = [0, 7, 9]\n";

std::vector<std::string> keys(const CampaignPlan& plan) {
    std::vector<std::string> keys;
    for (const PlannedRun& run : plan.runs) keys.push_back(run.key);
    return keys;
}

TEST_F(CampaignPlanning, TheMatrixIsWholeAndInOrder) {
    const CampaignPlan runs = plan(kMatrix + image("a") + image("b"));
    ASSERT_EQ(runs.runs.size(), 2u * 2 * 2 * 2 * 3);
    std::set<std::string> different;
    for (const PlannedRun& run : runs.runs)
        different.insert(
            fmt::format("{} {} {} {} {}", run.image, run.cpu, run.profile, run.fidelity, run.seed));
    EXPECT_EQ(different.size(), runs.runs.size());
    EXPECT_EQ(runs.runs[0].image, "a");
    EXPECT_EQ(runs.runs[1].seed, 7u);
    EXPECT_EQ(runs.runs[3].fidelity, "count");
    EXPECT_EQ(runs.runs[6].profile, "skylake");
    EXPECT_EQ(runs.runs[12].cpu, "skylake-sp");
    EXPECT_EQ(runs.runs[24].image, "b");
    const auto& arguments = runs.runs[22].arguments;
    EXPECT_EQ(arguments[0], "run");
    for (const char* expected :
         {"--cpu=skylake-sp", "--profile=skylake", "--fidelity=count", "--flush-seed=7", "--append=a"})
        EXPECT_THAT(arguments, Contains(expected));
    EXPECT_THAT(arguments, Contains("--kernel=" + path("guest.bin")));
}

TEST_F(CampaignPlanning, AnImagesMemoryGoesBeforeTheCampaigns) {
    const CampaignPlan runs =
        plan("name = \"n\"\nlimits.memory = \"4M\"\n" + image("a") + "memory = \"2M\"\n" + image("b"));
    EXPECT_THAT(runs.runs[0].arguments, Contains("--memory=2M"));
    EXPECT_THAT(runs.runs[0].arguments, Not(Contains("--memory=4M")));
    EXPECT_THAT(runs.runs[1].arguments, Contains("--memory=4M"));
}

TEST_F(CampaignPlanning, WhateverDecidesTheOutcomeIsInTheKey) {
    const std::string head = "name = \"n\"\n";
    const std::string key = plan(head + image("a")).runs[0].key;
    EXPECT_EQ(key.size(), 16u);
    std::set<std::string> others = {key};
    const auto expect_another = [&](const std::string& what, const CampaignPlan& other) {
        EXPECT_TRUE(others.insert(other.runs[0].key).second) << what;
    };
    expect_another("command line", plan(head + image("b")));
    expect_another("build", plan(head + image("a"), "another build"));
    expect_another("seed", plan(head + "seeds = [1]\n" + image("a")));
    expect_another("cpu", plan(head + "cpus = [\"minimal\"]\n" + image("a")));
    expect_another("profile", plan(head + "profiles = [\"skylake\"]\n" + image("a")));
    expect_another("fidelity", plan(head + "fidelities = [\"count\"]\n" + image("a")));
    expect_another("limit", plan(head + "limits.max_cycles = 5\n" + image("a")));
    expect_another("memory", plan(head + "limits.memory = \"5M\"\n" + image("a")));
    write("guest.bin", "Guest");
    expect_another("contents", plan(head + image("a")));
}

TEST_F(CampaignPlanning, WhereAFileIsAndWhatItIsCalledIsNotInTheKey) {
    write("other.bin", "guest");
    const auto one = plan("name = \"n\"\n[[image]]\nname = \"a\"\nbios = \"guest.bin\"\n");
    const auto other = plan("name = \"m\"\n[[image]]\nname = \"b\"\nbios = \"other.bin\"\nstatus = 1\n");
    EXPECT_EQ(one.runs[0].key, other.runs[0].key);
}

TEST_F(CampaignPlanning, ShardsAreDisjointAndTogetherEverything) {
    const CampaignPlan whole = plan(kMatrix + image("a") + image("b"));
    for (const size_t count : {1u, 2u, 5u, 48u, 100u}) {
        std::vector<std::string> all;
        for (size_t number = 1; number <= count; ++number) {
            const auto part = keys(part_of(whole, {number, count}));
            EXPECT_LE(part.size(), whole.runs.size() / count + 1);
            all.insert(all.end(), part.begin(), part.end());
        }
        EXPECT_THAT(all, ::testing::UnorderedElementsAreArray(keys(whole))) << count;
    }
}

TEST_F(CampaignPlanning, ShardsAreReadStrictly) {
    const auto shard = parse_shard("3/8");
    ASSERT_TRUE(shard);
    EXPECT_EQ(shard->number, 3u);
    EXPECT_EQ(shard->count, 8u);
    for (const char* wrong :
         {"", "3", "/", "3/", "/8", "0/8", "9/8", "3/8/1", "-1/8", "a/b", " 3/8", "3/99999999"}) {
        const auto refused = parse_shard(wrong);
        ASSERT_FALSE(refused) << wrong;
        EXPECT_THAT(refused.error().message, HasSubstr("expected K/N with K from 1 to N"));
    }
}

TEST_F(CampaignPlanning, MoreThanAMillionRunsAreRefused) {
    std::string seeds = "seeds = [0";
    for (int i = 1; i < 12'501; ++i) seeds += "," + std::to_string(i);
    std::string images = "cpus = [\"default\", \"minimal\"]\nprofiles = [\"haswell\", \"skylake\"]\n";
    for (int i = 0; i < 20; ++i) images += image("a" + std::to_string(i));
    const auto campaign = read("name = \"n\"\n" + seeds + "]\n" + images);
    ASSERT_TRUE(campaign) << campaign.error().message;
    const auto refused = make_plan(*campaign, "build");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("more than 1000000 runs"));
}

TEST_F(CampaignPlanning, AChangedFileIsSeen) {
    const CampaignPlan runs = plan("name = \"n\"\n" + image("a"));
    EXPECT_EQ(changed_file(runs), "");
    write("guest.bin", "other");
    EXPECT_EQ(changed_file(runs), path("guest.bin"));
    std::filesystem::remove(path("guest.bin"));
    EXPECT_EQ(changed_file(runs), path("guest.bin"));
}

}  // namespace
}  // namespace vtless::lab
