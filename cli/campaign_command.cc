// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <sched.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "cli/campaign_progress.h"
#include "cli/commands.h"
#include "cli/complain.h"
#include "lab/campaign_file.h"
#include "lab/campaign_plan.h"
#include "lab/campaign_run.h"
#include "lab/campaign_store.h"
#include "lab/campaign_table.h"
#include "sim/engine/version.h"
#include "vmm/digest.h"
#include "vmm/loaders/image_file.h"

namespace vtless::cli {

namespace {

// Ourselves, even where the file has been replaced since.
constexpr const char* kOwnExecutable = "/proc/self/exe";
constexpr const char* kJsonTable = "results.json";
constexpr const char* kCsvTable = "results.csv";

struct CampaignOptions {
    std::string file;
    std::string output;
    std::string shard;
    size_t jobs = 0;
    bool dry_run = false;
    bool collect = false;
};

// A build that differs by a byte may count differently.
vmm::Result<std::string> this_build() {
    const auto executable = vmm::read_image("executable", kOwnExecutable, uint64_t{1} << 32);
    if (!executable) return Unexpected(executable.error());
    vmm::Hasher hasher;
    hasher.add(executable->bytes);
    return fmt::format(VTLESS_VERSION " (executable {:016x}, Unicorn {})", hasher.value(),
                       sim::unicorn_version());
}

// The processors that this process may use: fewer than the machine's under a batch system or taskset.
size_t usable_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<size_t>(CPU_COUNT(&set));
}

vmm::Result<lab::CampaignPlan> plan_of(const CampaignOptions& options) {
    const auto campaign = lab::read_campaign(options.file);
    if (!campaign) return Unexpected(campaign.error());
    const auto build = this_build();
    if (!build) return Unexpected(build.error());
    auto plan = lab::make_plan(*campaign, *build);
    if (!plan) return Unexpected(plan.error());
    if (options.shard.empty()) return plan;
    const auto shard = lab::parse_shard(options.shard);
    if (!shard) return vmm::fail("--shard: {}", shard.error().message);
    return lab::part_of(std::move(*plan), *shard);
}

// For a shell.
std::string quoted(const std::string& word) {
    constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:+@%";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
    std::string text = "'";
    for (const char letter : word) text += letter == '\'' ? "'\\''" : std::string(1, letter);
    return text + '\'';
}

int list(const lab::CampaignPlan& plan) {
    for (const lab::PlannedRun& run : plan.runs) {
        fmt::print("{} {}: vtless", run.key, lab::describe(run));
        for (const std::string& argument : run.arguments) fmt::print(" {}", quoted(argument));
        fmt::print("\n");
    }
    return kEndedAsAsked;
}

// Nothing, or the status to end with.
std::optional<int> run_missing(const CampaignOptions& options, const lab::CampaignPlan& plan,
                               const lab::CampaignStore& store) {
    auto runs = lab::runs_to_do(plan, store);
    if (!runs) return complain(runs.error().message);
    if (runs->empty()) return std::nullopt;
    // They will be out of date.
    for (const char* table : {kJsonTable, kCsvTable}) store.remove(table);
    const size_t jobs = options.jobs == 0 ? usable_processors() : options.jobs;
    CampaignProgress progress(runs->size());
    const auto finished = [&](const lab::PlannedRun& run, const lab::RunResult& result, size_t running) {
        progress.finished(run, result, running);
    };
    const auto tick = [&](size_t running) { progress.tick(running); };
    const auto signal = lab::execute(plan, {kOwnExecutable, jobs, std::move(*runs), finished, tick}, store);
    if (!signal) return complain(signal.error().message);
    if (*signal == 0) return std::nullopt;
    fmt::print(stderr, "vtless: interrupted ({}); what is done is kept, the same command goes on\n",
               strsignal(*signal));
    return 128 + *signal;
}

vmm::Result<void> write_tables(const lab::CampaignTable& table, const lab::CampaignStore& store) {
    if (auto written = store.write(kJsonTable, lab::table_json(table)); !written) return written;
    return store.write(kCsvTable, lab::table_csv(table));
}

int report(const CampaignOptions& options, const lab::CampaignTable& table, const lab::CampaignStore& store) {
    fmt::print("{}", lab::findings(table));
    fmt::print("{} runs{}: {}, seeds {}\n", table.rows.size(),
               options.shard.empty() ? "" : fmt::format(" of shard {}", options.shard),
               table.all_as_expected() ? "all as expected" : "not all as expected",
               table.seeds_agree() ? "change nothing" : "change what happens");
    if (options.shard.empty()) {
        if (const auto written = write_tables(table, store); !written)
            return complain(written.error().message);
        fmt::print("{}\n{}\n", store.path_of(kJsonTable), store.path_of(kCsvTable));
    }
    if (!table.seeds_agree()) return kDifferent;
    return table.all_as_expected() ? kEndedAsAsked : kGuestFailed;
}

int run(const CampaignOptions& options) {
    const auto plan = plan_of(options);
    if (!plan) return complain(plan.error().message);
    if (options.dry_run) return list(*plan);
    const std::string directory = options.output.empty() ? plan->name + ".results" : options.output;
    const auto store = lab::CampaignStore::open(directory, *plan);
    if (!store) return complain(store.error().message);
    if (!options.collect)
        if (const auto status = run_missing(options, *plan, *store)) return *status;
    const auto table = lab::make_table(*plan, *store);
    if (!table) return complain(table.error().message);
    return report(options, *table, *store);
}

constexpr const char* kFooter = R"(
Results are in DIR/results.json and DIR/results.csv, and one file for each run in DIR/runs. The same command again
runs what has no report yet: after an interruption, after a run that died, or what the file has more by now.
docs/campaign.md has the file's format, and how to use several machines or Slurm.

Exit status: 0 every run ended as expected, 1 runs that differ in the seed only have other digests, 2 the file or
the directory is not usable, 3 a run ended in another way, 128 + n interrupted by signal n.
)";

}  // namespace

Command add_campaign_command(CLI::App& app) {
    auto options = std::make_shared<CampaignOptions>();
    app.add_option("FILE", options->file, "The campaign, in TOML")->required();
    app.add_option("-o,--output", options->output, "Where results go; by default NAME.results")
        ->type_name("DIR");
    app.add_option("-j,--jobs", options->jobs, "Runs at a time; by default the processors that there are")
        ->check(CLI::Range(1, 100000))
        ->type_name("N");
    auto* shard =
        app.add_option("--shard", options->shard, "Only part K of N, from 1; no tables")->type_name("K/N");
    app.add_flag("--dry-run", options->dry_run, "List the runs and their commands");
    app.add_flag("--collect", options->collect, "Run nothing: make the tables of the results that are there")
        ->excludes(shard);
    app.footer(kFooter);
    return [options] { return run(*options); };
}

}  // namespace vtless::cli
