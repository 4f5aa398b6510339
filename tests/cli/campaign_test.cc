// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"

namespace vtless::cli {
namespace {

using namespace std::chrono_literals;

std::string image(const std::string& name, const std::string& more = "") {
    return "[[image]]\nname = \"" + name + "\"\nflat = \"" + name +
           ".bin\"\nload = 0x8000\nentry = 0x8000\n" + more;
}

const std::string kHead = "name = \"try\"\nlimits.memory = \"2M\"\n";

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

class Campaign : public ::testing::Test {
  protected:
    Campaign() {
        std::string name = ::testing::TempDir() + "vtless-campaign-XXXXXX";
        folder_ = mkdtemp(name.data());
        write("exit.bin", guests::kDebugExit);
        write("halt.bin", guests::kHalt);
        write("triple.bin", guests::kTripleFault);
        write("spin.bin", guests::kSpin);
    }
    ~Campaign() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    std::string path(const std::string& name) const { return folder_ + '/' + name; }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    std::string toml(const std::string& text) const { return write("campaign.toml", kHead + text); }
    CommandResult campaign(std::vector<std::string> more = {}, const std::string& results = "results") const {
        std::vector<std::string> words = {"campaign", path("campaign.toml"), "-o", path(results)};
        words.insert(words.end(), more.begin(), more.end());
        return run_command(words);
    }
    nlohmann::json rows() const {
        return nlohmann::json::parse(read_file(path("results/results.json")), nullptr, false)["runs"];
    }
    size_t results() const {
        std::error_code none;
        size_t count = 0;
        for (std::filesystem::directory_iterator at(path("results/runs"), none), end; !none && at != end;
             ++at)
            count += at->path().extension() == ".json" ? 1 : 0;
        return count;
    }
    std::string folder_;
};

// A campaign that is under way, and what it runs.
class Started {
  public:
    explicit Started(const std::vector<std::string>& arguments) {
        std::vector<std::string> words = {VTLESS_COMMAND};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        argv.reserve(words.size() + 1);
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        pid_ = fork();
        if (pid_ != 0) return;
        const int null = open("/dev/null", O_RDWR);
        for (const int file : {0, 1, 2}) dup2(null, file);
        execv(VTLESS_COMMAND, argv.data());
        _exit(127);
    }
    ~Started() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        wait();
    }
    Started(const Started&) = delete;
    Started& operator=(const Started&) = delete;

    // A run of its, once there is one; 0 if there never is.
    pid_t child() const {
        const std::string id = std::to_string(pid_);
        std::string path = "/proc/";
        path.append(id).append("/task/").append(id).append("/children");
        for (int i = 0; i < 2000; ++i) {
            std::ifstream children(path);
            pid_t child = 0;
            if (children >> child) return child;
            std::this_thread::sleep_for(5ms);
        }
        return 0;
    }
    void kill(int signal) const { ::kill(pid_, signal); }
    // Its exit status; 128 + n after signal n.
    int wait() {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

  private:
    pid_t pid_ = -1;
};

// Whether the process is gone, or about to be, within ten seconds.
bool goes_away(pid_t process) {
    for (int i = 0; i < 2000; ++i) {
        const std::string stat = read_file("/proc/" + std::to_string(process) + "/stat");
        if (stat.empty() || contains(stat, ") Z ")) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

TEST_F(Campaign, RunsTheMatrixAndThenHasNothingToDo) {
    toml("cpus = [\"default\", \"skylake-sp\"]\nprofiles = [\"haswell\", \"skylake\"]\nseeds = [0, 5]\n" +
         image("halt") + image("exit", "status = 85\n"));
    const auto first = campaign();
    EXPECT_EQ(first.status, 0) << first.err;
    EXPECT_TRUE(contains(first.out, "16 runs: all as expected, seeds change nothing\n")) << first.out;
    EXPECT_TRUE(contains(first.err, "[16/16] ")) << first.err;
    const auto table = rows();
    ASSERT_EQ(table.size(), 16u);
    EXPECT_EQ(table[0]["image"], "halt");
    EXPECT_EQ(table[0]["seeds"], "same");
    EXPECT_EQ(table[15]["status"], 85);
    EXPECT_NE(table[8]["cycles"], table[10]["cycles"]) << "an exit takes longer on one than on the other";
    const std::string csv = read_file(path("results/results.csv"));
    EXPECT_EQ(std::ranges::count(csv, '\n'), 17);
    const auto again = campaign();
    EXPECT_EQ(again.status, 0);
    EXPECT_EQ(again.err, "");
    EXPECT_EQ(again.out, first.out);
    EXPECT_EQ(read_file(path("results/results.csv")), csv);
}

TEST_F(Campaign, FidelitiesAreRunsOfTheirOwn) {
    toml("fidelities = [\"count\", \"approx\"]\nseeds = [0, 5]\n" + image("halt"));
    const auto result = campaign();
    EXPECT_EQ(result.status, 0) << result.err << result.out;
    const auto table = rows();
    ASSERT_EQ(table.size(), 4u);
    EXPECT_EQ(table[1]["fidelity"], "count");
    EXPECT_EQ(table[1]["seeds"], "same") << "compared with its own fidelity's";
    EXPECT_EQ(table[1]["cycles"], table[1]["instructions"]);
    EXPECT_EQ(table[2]["fidelity"], "approx");
    EXPECT_GT(table[2]["cycles"], table[1]["cycles"]);
}

TEST_F(Campaign, CountsWhatRunCounts) {
    toml(image("exit", "status = 85\n"));
    ASSERT_EQ(campaign().status, 0);
    const auto run = run_command({"run", "--flat", path("exit.bin"), "--load", "0x8000", "--entry", "0x8000",
                                  "--memory", "2M", "--stats", "json", "--debugcon", "", "--serial", ""});
    const auto report = nlohmann::json::parse(run.out, nullptr, false);
    const auto row = rows()[0];
    for (const char* key :
         {"digest", "time_digest", "cycles", "instructions", "total_exits", "end", "status"})
        EXPECT_EQ(row[key], report[key]) << key;
}

TEST_F(Campaign, TablesAreTheSameWhateverTheOrderJobsAndShards) {
    toml("seeds = [0, 1, 2]\n" + image("halt") + image("triple", "status = 3\n"));
    ASSERT_EQ(campaign({"--jobs", "1"}, "one").status, 0);
    ASSERT_EQ(campaign({"--jobs", "4"}, "four").status, 0);
    for (const char* shard : {"2/2", "1/2"}) {
        const auto part = campaign({"--shard", shard}, "shards");
        EXPECT_EQ(part.status, 0) << part.err;
        EXPECT_TRUE(contains(part.out, std::string("3 runs of shard ") + shard + ": all as expected"))
            << part.out;
        EXPECT_FALSE(std::filesystem::exists(path("shards/results.json")));
    }
    const auto collected = campaign({"--collect"}, "shards");
    EXPECT_EQ(collected.status, 0) << collected.err;
    for (const char* table : {"/results.json", "/results.csv"}) {
        const std::string one = read_file(path("one") + table);
        EXPECT_FALSE(one.empty());
        EXPECT_EQ(read_file(path("four") + table), one);
        EXPECT_EQ(read_file(path("shards") + table), one);
    }
}

TEST_F(Campaign, AGuestThatEndsInAnotherWayGivesStatus3) {
    toml(image("halt") + image("triple"));
    const auto result = campaign();
    EXPECT_EQ(result.status, 3);
    EXPECT_TRUE(contains(
        result.out,
        "triple default haswell approx seed 0: ended with status 3, expected 0: the guest triple-faulted"))
        << result.out;
    EXPECT_TRUE(contains(result.out, "2 runs: not all as expected"));
}

TEST_F(Campaign, ARunThatIsKilledIsNamedAndRunAgain) {
    toml("limits.max_cycles = 400_000_000\n" + image("spin") + image("halt"));
    Started started({"campaign", path("campaign.toml"), "-o", path("results"), "--jobs", "1"});
    const pid_t child = started.child();
    ASSERT_NE(child, 0);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    EXPECT_EQ(started.wait(), 3);
    EXPECT_EQ(rows()[0]["outcome"], "died");
    EXPECT_EQ(rows()[0]["detail"], "signal 9 (Killed)");
    EXPECT_EQ(rows()[1]["outcome"], "ended");
    const auto again = campaign();
    EXPECT_EQ(again.status, 0) << again.out;
    EXPECT_TRUE(contains(again.err, "[1/1] spin")) << "only that one: " << again.err;
}

TEST_F(Campaign, InterruptedItEndsItsRunsAndGoesOnLater) {
    toml("seeds = [0, 1]\nlimits.max_cycles = 200_000_000\n" + image("halt") + image("spin"));
    for (const int signal : {SIGINT, SIGTERM}) {
        std::filesystem::remove_all(path("results"));
        Started started({"campaign", path("campaign.toml"), "-o", path("results"), "--jobs", "1"});
        for (int i = 0; i < 2000 && results() == 0; ++i) std::this_thread::sleep_for(5ms);
        started.kill(signal);
        EXPECT_EQ(started.wait(), 128 + signal);
        EXPECT_GE(results(), 1u);
        EXPECT_LT(results(), 4u);
        for (const auto& entry : std::filesystem::directory_iterator(path("results/runs")))
            EXPECT_EQ(entry.path().extension(), ".json") << "nothing half-written";
        EXPECT_FALSE(std::filesystem::exists(path("results/results.json")));
    }
    const size_t kept = results();
    const auto collected = campaign({"--collect"});
    EXPECT_EQ(collected.status, 2);
    EXPECT_TRUE(contains(collected.err, "of 4 runs have no result: ")) << collected.err;
    const auto rest = campaign();
    EXPECT_EQ(rest.status, 0) << rest.out << rest.err;
    EXPECT_TRUE(contains(rest.err, "[1/" + std::to_string(4 - kept) + "] ")) << rest.err;
}

TEST_F(Campaign, KilledItLeavesNoRunBehind) {
    toml(image("spin"));
    Started started({"campaign", path("campaign.toml"), "-o", path("results")});
    const pid_t child = started.child();
    ASSERT_NE(child, 0);
    started.kill(SIGKILL);
    EXPECT_EQ(started.wait(), 128 + SIGKILL);
    EXPECT_TRUE(goes_away(child));
    EXPECT_EQ(results(), 0u);
}

TEST_F(Campaign, DryRunListsEachRunsCommand) {
    toml("seeds = [0, 1, 2]\n" + image("halt"));
    const auto all = campaign({"--dry-run"});
    EXPECT_EQ(all.status, 0);
    EXPECT_EQ(std::ranges::count(all.out, '\n'), 3);
    EXPECT_FALSE(std::filesystem::exists(path("results")));
    const auto second = campaign({"--dry-run", "--shard", "2/3"});
    EXPECT_EQ(std::ranges::count(second.out, '\n'), 1);
    EXPECT_TRUE(contains(all.out, second.out));
    EXPECT_TRUE(contains(second.out, " halt default haswell approx seed 1: vtless run ")) << second.out;
    EXPECT_TRUE(contains(second.out, " --flat=" + path("halt.bin") + " --load=0x8000 --entry=0x8000 "))
        << second.out;
    EXPECT_TRUE(contains(second.out, " --flush-seed=1 --debugcon '' --serial '' --stats json\n"))
        << second.out;
}

TEST_F(Campaign, WhatCannotBeRunIsRefused) {
    const std::string file = toml("seeds = [1, 1]\n" + image("halt"));
    expect_refused({"campaign", file}, file + ":3:13: seeds: 1 is there twice");
    expect_refused({"campaign", path("none.toml")}, "none.toml: No such file");
    toml(image("halt"));
    expect_refused({"campaign", file, "--shard", "3/2"}, "--shard: \"3/2\" is no shard");
    expect_refused({"campaign", file, "--jobs", "0"}, "--jobs");
    expect_refused({"campaign", file, "--collect", "--shard", "1/2"}, "excludes --collect");
    expect_refused({"campaign", file, "-o", folder_}, "not empty, and without a campaign.json");
    ASSERT_EQ(campaign().status, 0);
    write("campaign.toml", "name = \"other\"\n" + image("halt"));
    expect_refused({"campaign", file, "-o", path("results")}, "it has the results of campaign \"try\"");
}

}  // namespace
}  // namespace vtless::cli
