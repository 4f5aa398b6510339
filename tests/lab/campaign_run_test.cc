// SPDX-License-Identifier: MIT
#include "lab/campaign_run.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "lab/campaign_table.h"
#include "lab/whole_file.h"
#include "tests/lab/campaign_folder.h"

namespace vtless::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Outcome = RunResult::Outcome;

class CampaignRuns : public CampaignFolder {
  protected:
    CampaignStore store(const CampaignPlan& plan, const std::string& name = "results") const {
        auto store = CampaignStore::open(path(name), plan);
        EXPECT_TRUE(store) << store.error().message;
        return std::move(*store);
    }
    // What is not there yet, `jobs` at a time. The result of execute().
    vmm::Result<int> run(const CampaignPlan& plan, const CampaignStore& store, size_t jobs = 1) {
        auto runs = runs_to_do(plan, store);
        EXPECT_TRUE(runs) << runs.error().message;
        const auto finished = [this](const PlannedRun&, const RunResult&, size_t running) {
            most_running_ = std::max(most_running_, running + 1);
            if (interrupt_ != 0) kill(getpid(), interrupt_);
        };
        return execute(plan, {program(), jobs, std::move(*runs), finished, {}}, store);
    }
    CampaignTable table(const CampaignPlan& plan, const CampaignStore& store) const {
        auto table = make_table(plan, store);
        EXPECT_TRUE(table) << table.error().message;
        return std::move(*table);
    }
    std::vector<std::string> entries(const std::string& name) const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path(name)))
            names.push_back(entry.path().filename());
        std::ranges::sort(names);
        return names;
    }
    size_t most_running_ = 0;
    int interrupt_ = 0;
};

const std::string kHead = "name = \"n\"\nseeds = [0, 1, 2]\n";

TEST_F(CampaignRuns, EachRunIsAProcessAndAFile) {
    const CampaignPlan all = plan(kHead + image("good") + image("other"));
    const CampaignStore results = store(all);
    ASSERT_EQ(run(all, results).value(), 0);
    EXPECT_EQ(calls(), 6u);
    EXPECT_EQ(entries("results/runs").size(), 6u);
    EXPECT_THAT(entries("results"), ElementsAre("campaign.json", "runs"));
    const CampaignTable rows = table(all, results);
    EXPECT_TRUE(rows.all_as_expected());
    EXPECT_TRUE(rows.seeds_agree());
    EXPECT_EQ(rows.rows[0].counts->total_exits, 3u);
    EXPECT_EQ(rows.rows[0].seeds, Seeds::Same);
}

TEST_F(CampaignRuns, TheTablesAreTheSameWhateverTheNumberOfJobs) {
    const CampaignPlan all = plan(kHead + image("pause") + image("die") + image("seeded") + image("refuse"));
    const CampaignStore one = store(all, "one");
    const CampaignStore four = store(all, "four");
    ASSERT_EQ(run(all, one, 1).value(), 0);
    EXPECT_EQ(most_running_, 1u);
    ASSERT_EQ(run(all, four, 4).value(), 0);
    EXPECT_GT(most_running_, 1u);
    EXPECT_LE(most_running_, 4u);
    EXPECT_EQ(table_json(table(all, one)), table_json(table(all, four)));
    EXPECT_EQ(table_csv(table(all, one)), table_csv(table(all, four)));
}

TEST_F(CampaignRuns, ARunThatDiesIsSaidToHaveAndTheOthersGoOn) {
    const CampaignPlan all =
        plan("name = \"n\"\n" + image("die") + image("silent") + image("refuse") + image("good"));
    const CampaignStore results = store(all);
    ASSERT_EQ(run(all, results).value(), 0);
    const CampaignTable rows = table(all, results);
    EXPECT_EQ(rows.rows[0].result.outcome, Outcome::Died);
    EXPECT_EQ(rows.rows[0].result.detail, "signal 9 (Killed)");
    EXPECT_EQ(rows.rows[1].result.outcome, Outcome::Died);
    EXPECT_EQ(rows.rows[1].result.detail, "exit status 0 without a report");
    EXPECT_EQ(rows.rows[2].result.outcome, Outcome::Refused);
    EXPECT_EQ(rows.rows[2].result.detail, "vtless: no such thing");
    EXPECT_TRUE(rows.rows[3].as_expected());
    EXPECT_FALSE(rows.all_as_expected());
    EXPECT_THAT(findings(rows), StartsWith("die default haswell approx seed 0: died: signal 9 (Killed)\n"));
}

TEST_F(CampaignRuns, OnlyWhatHasNoReportIsRunAgain) {
    const CampaignPlan all = plan(kHead + image("good") + image("once"));
    const CampaignStore results = store(all);
    ASSERT_EQ(run(all, results).value(), 0);
    EXPECT_EQ(calls(), 6u);
    EXPECT_FALSE(table(all, results).all_as_expected());
    ASSERT_EQ(run(all, results).value(), 0);
    EXPECT_EQ(calls(), 7u);
    EXPECT_TRUE(table(all, results).all_as_expected());
    ASSERT_EQ(run(all, results).value(), 0);
    EXPECT_EQ(calls(), 7u);
    const CampaignPlan more = plan("name = \"n\"\nseeds = [0, 1, 2, 3]\n" + image("good") + image("once"));
    ASSERT_EQ(run(more, results).value(), 0);
    EXPECT_EQ(calls(), 9u);
}

TEST_F(CampaignRuns, ATimeoutIsAResultOfItsOwn) {
    const CampaignPlan all = plan("name = \"n\"\nlimits.host_seconds = 3\n" + image("sleep") + image("good"));
    const CampaignStore results = store(all);
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_EQ(run(all, results).value(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60));
    const CampaignTable rows = table(all, results);
    EXPECT_EQ(rows.rows[0].result.outcome, Outcome::TimedOut);
    EXPECT_EQ(rows.rows[0].result.detail, "not over in 3 s of host time");
    EXPECT_TRUE(rows.rows[1].as_expected());
}

TEST_F(CampaignRuns, AnInterruptionEndsTheChildrenAndKeepsWhatIsDone) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        const std::string name = "results" + std::to_string(signal);
        const CampaignPlan all = plan(kHead + image("good") + image("sleep"));
        const CampaignStore results = store(all, name);
        interrupt_ = signal;
        const auto begun = std::chrono::steady_clock::now();
        EXPECT_EQ(run(all, results, 2).value(), signal);
        EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60)) << "none sleeps on";
        const auto kept = entries(name + "/runs");
        EXPECT_FALSE(kept.empty());
        EXPECT_LT(kept.size(), 6u);
        for (const std::string& file : kept) EXPECT_FALSE(file.starts_with(".")) << file;
        const auto incomplete = make_table(all, results);
        ASSERT_FALSE(incomplete);
        EXPECT_THAT(incomplete.error().message, HasSubstr("of 6 runs have no result"));
        EXPECT_THAT(incomplete.error().message, HasSubstr("sleep default haswell approx seed 2"));
    }
}

TEST_F(CampaignRuns, ASeedThatChangesDigestsIsFound) {
    const CampaignPlan all = plan(kHead + image("good") + image("seeded"));
    const CampaignStore results = store(all);
    ASSERT_EQ(run(all, results).value(), 0);
    const CampaignTable rows = table(all, results);
    EXPECT_TRUE(rows.all_as_expected());
    EXPECT_FALSE(rows.seeds_agree());
    EXPECT_EQ(rows.rows[0].seeds, Seeds::Same);
    EXPECT_EQ(rows.rows[3].seeds, Seeds::Differ);
    EXPECT_THAT(findings(rows),
                HasSubstr("seeded default haswell approx seed 2: the seed changes what happens: digest 2"));
}

TEST_F(CampaignRuns, AnImageThatChangesUnderwayEndsIt) {
    const CampaignPlan all = plan("name = \"n\"\n" + image("change") + image("good"));
    const CampaignStore results = store(all);
    const auto ended = run(all, results);
    ASSERT_FALSE(ended);
    EXPECT_THAT(ended.error().message, HasSubstr("guest.bin: it has changed since the campaign began"));
    EXPECT_TRUE(entries("results/runs").empty());
}

TEST_F(CampaignRuns, AProgramThatIsNotThereIsNamed) {
    const CampaignPlan all = plan("name = \"n\"\n" + image("good"));
    const CampaignStore results = store(all);
    const auto finished = [](const PlannedRun&, const RunResult&, size_t) {};
    ASSERT_EQ(execute(all, {path("none"), 1, {&all.runs[0]}, finished, {}}, results).value(), 0);
    EXPECT_THAT(table(all, results).rows[0].result.detail, HasSubstr("cannot execute " + path("none")));
}

TEST_F(CampaignRuns, AnotherCampaignsDirectoryIsRefused) {
    const CampaignPlan mine = plan("name = \"n\"\n" + image("good"));
    store(mine);
    const auto expect_refused = [&](const CampaignPlan& plan, const std::string& name,
                                    const std::string& words) {
        const auto refused = CampaignStore::open(path(name), plan);
        ASSERT_FALSE(refused) << words;
        EXPECT_THAT(refused.error().message, StartsWith(path(name) + ": "));
        EXPECT_THAT(refused.error().message, HasSubstr(words));
    };
    expect_refused(plan("name = \"m\"\n" + image("good")), "results", "of campaign \"n\", this one is \"m\"");
    expect_refused(plan("name = \"n\"\n" + image("good"), "newer"), "results",
                   "its results are of vtless test build, this is newer");
    expect_refused(mine, "guest.bin", "cannot be made");
    expect_refused(mine, ".", "not empty, and without a campaign.json");
    for (const char* wrong : {"[]", "half", "{\"vtless_campaign\": 2}", "{\"name\": 1}"}) {
        write("results/campaign.json", wrong);
        expect_refused(mine, "results", "name another directory");
    }
}

TEST_F(CampaignRuns, AFileThatIsNotTheRunsResultIsRefused) {
    const CampaignPlan all = plan(kHead + image("good"));
    const CampaignStore results = store(all);
    ASSERT_EQ(run(all, results).value(), 0);
    const std::string file = "results/runs/" + all.runs[0].key + ".json";
    const std::string other = *read_whole(path("results/runs/" + all.runs[1].key + ".json")).value();
    auto no_report = nlohmann::json::parse(*read_whole(path(file)).value(), nullptr, false);
    no_report["report"] = {{"end", 5}};
    for (const std::string& wrong :
         {std::string("{"), std::string("{\"outcome\": 5}"), other, no_report.dump()}) {
        write(file, wrong);
        const auto found = results.find(all.runs[0]);
        ASSERT_FALSE(found) << wrong;
        EXPECT_THAT(found.error().message, StartsWith(path(file) + ": "));
        EXPECT_THAT(found.error().message, HasSubstr("remove it"));
    }
}

TEST_F(CampaignRuns, FilesAreWrittenWholeOrNotAtAll) {
    ASSERT_TRUE(write_whole(path("file"), "one", IfThere::Replace));
    ASSERT_TRUE(write_whole(path("file"), "two", IfThere::Keep));
    EXPECT_EQ(*read_whole(path("file")).value(), "one");
    ASSERT_TRUE(write_whole(path("file"), "three", IfThere::Replace));
    EXPECT_EQ(*read_whole(path("file")).value(), "three");
    std::filesystem::create_directories(path("folder/below"));
    const auto refused = write_whole(path("folder/below"), "text", IfThere::Replace);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("cannot be written"));
    EXPECT_THAT(entries("folder"), ElementsAre("below"));
    EXPECT_FALSE(write_whole(path("none/file"), "text", IfThere::Replace));
    EXPECT_FALSE(read_whole(path("none")).value());
}

TEST(CampaignTable, FieldsAreQuotedWhereTheyMustBe) {
    CampaignTable table{"n", "b", {}};
    PlannedRun run;
    run.image = "a";
    run.cpu = "./a,\"b\".json";
    table.rows.push_back({run, {Outcome::Died, "why, that", "", ""}, std::nullopt, Seeds::Single});
    EXPECT_THAT(table_csv(table),
                HasSubstr("\na,\"./a,\"\"b\"\".json\",,,0,,died,\"why, that\",false,,,,,,,,,,\n"));
    const auto json = nlohmann::json::parse(table_json(table), nullptr, false);
    EXPECT_EQ(json["runs"][0]["cpu"], "./a,\"b\".json");
    EXPECT_EQ(json["runs"][0]["outcome"], "died");
}

}  // namespace
}  // namespace vtless::lab
