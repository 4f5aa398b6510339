// SPDX-License-Identifier: MIT
#include "lab/campaign_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "vmm/digest.h"
#include "vmm/guest_run.h"
#include "vmm/loaders/image_file.h"

namespace vtless::lab {

namespace {

constexpr size_t kMaximumRuns = 1'000'000;
// The first of each run's inputs: their order and meaning, and that of what a result holds.
constexpr const char* kInputsVersion = "campaign run 1";

struct FileTime {
    uint64_t size = 0;
    int64_t modified = 0;
};

vmm::Result<FileTime> time_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return vmm::fail("{}: {}", path, std::strerror(errno));
    return FileTime{static_cast<uint64_t>(status.st_size),
                    int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

class Planner {
  public:
    explicit Planner(CampaignPlan& plan) : plan_(plan) {}

    vmm::Result<void> add_file(const std::string& path);
    void add_run(const Campaign& campaign, const CampaignImage& image, PlannedRun run);
    // --option=value in the run's arguments, and in its inputs.
    void add_profile(PlannedRun& run, const char* option, const CampaignProfile& profile) const;

  private:
    static void add(PlannedRun& run, const std::string& argument) { add(run, argument, argument); }
    static void add(PlannedRun& run, const std::string& argument, const std::string& input) {
        run.arguments.push_back(argument);
        run.inputs.push_back(input);
    }
    void add_path(PlannedRun& run, const std::string& option, const std::string& path) const;

    CampaignPlan& plan_;
};

vmm::Result<void> Planner::add_file(const std::string& path) {
    if (std::ranges::find(plan_.files, path, &PlannedFile::path) != plan_.files.end()) return {};
    // The time first: if the file changes while it is read, that will be seen.
    const auto time = time_of(path);
    if (!time) return Unexpected(time.error());
    const auto image = vmm::read_image("campaign's file", path, vmm::GuestRunConfig::kMaximumMemory);
    if (!image) return Unexpected(image.error());
    vmm::Hasher hasher;
    hasher.add(image->bytes);
    plan_.files.push_back({path, time->size, time->modified, fmt::format("{:016x}", hasher.value())});
    return {};
}

void Planner::add_path(PlannedRun& run, const std::string& option, const std::string& path) const {
    const auto file = std::ranges::find(plan_.files, path, &PlannedFile::path);
    add(run, option + '=' + path, fmt::format("{} {} bytes, {}", option, file->size, file->digest));
}

void Planner::add_profile(PlannedRun& run, const char* option, const CampaignProfile& profile) const {
    if (profile.path.empty()) return add(run, fmt::format("{}={}", option, profile.name));
    add_path(run, option, profile.path);
}

void Planner::add_run(const Campaign& campaign, const CampaignImage& image, PlannedRun run) {
    for (const GuestFile& file : image.files) add_path(run, file.option, file.path);
    for (const std::string& argument : image.arguments) add(run, argument);
    const std::string& memory = image.memory.empty() ? campaign.memory : image.memory;
    if (!memory.empty()) add(run, "--memory=" + memory);
    for (const std::string& argument : campaign.limits) add(run, argument);
    add(run, "--fidelity=" + run.fidelity);
    add(run, fmt::format("--flush-seed={}", run.seed));
    // What is printed decides nothing: the result has the statistics.
    for (const char* argument : {"--debugcon", "", "--serial", "", "--stats", "json"})
        run.arguments.emplace_back(argument);
    vmm::Hasher hasher;
    for (const std::string& input : run.inputs) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(input.c_str());
        hasher.add(std::span(bytes, input.size() + 1));
    }
    run.key = fmt::format("{:016x}", hasher.value());
    plan_.runs.push_back(std::move(run));
}

std::vector<std::string> files_of(const Campaign& campaign) {
    std::vector<std::string> paths;
    for (const CampaignImage& image : campaign.images)
        for (const GuestFile& file : image.files) paths.push_back(file.path);
    for (const auto* profiles : {&campaign.cpus, &campaign.profiles})
        for (const CampaignProfile& profile : *profiles)
            if (!profile.path.empty()) paths.push_back(profile.path);
    return paths;
}

}  // namespace

vmm::Result<CampaignPlan> make_plan(const Campaign& campaign, const std::string& build) {
    CampaignPlan plan{campaign.name, build, campaign.host_seconds, {}, {}};
    Planner planner(plan);
    const std::vector<size_t> axes = {campaign.images.size(), campaign.cpus.size(), campaign.profiles.size(),
                                      campaign.fidelities.size(), campaign.seeds.size()};
    size_t runs = 1;
    for (const size_t size : axes) {
        runs *= size;  // no overflow: each axis comes from a file of at most 1 MiB
        if (runs > kMaximumRuns)
            return vmm::fail("more than {} runs: make it several campaigns", kMaximumRuns);
    }
    for (const std::string& path : files_of(campaign))
        if (const auto added = planner.add_file(path); !added) return Unexpected(added.error());
    for (const CampaignImage& image : campaign.images)
        for (const CampaignProfile& cpu : campaign.cpus)
            for (const CampaignProfile& profile : campaign.profiles)
                for (const std::string& fidelity : campaign.fidelities)
                    for (const uint64_t seed : campaign.seeds) {
                        PlannedRun run{image.name, cpu.name,     profile.name, fidelity,
                                       seed,       image.status, {"run"},      {kInputsVersion, build},
                                       ""};
                        planner.add_profile(run, "--cpu", cpu);
                        planner.add_profile(run, "--profile", profile);
                        planner.add_run(campaign, image, std::move(run));
                    }
    return plan;
}

std::string changed_file(const CampaignPlan& plan) {
    for (const PlannedFile& file : plan.files) {
        const auto time = time_of(file.path);
        if (!time || time->size != file.size || time->modified != file.modified) return file.path;
    }
    return "";
}

CampaignPlan part_of(CampaignPlan plan, Shard shard) {
    std::vector<PlannedRun> runs;
    for (size_t i = 0; i < plan.runs.size(); ++i)
        if (shard.has(i)) runs.push_back(std::move(plan.runs[i]));
    plan.runs = std::move(runs);
    return plan;
}

vmm::Result<Shard> parse_shard(const std::string& text) {
    const size_t slash = text.find('/');
    const auto number = vmm::parse_number(text.substr(0, slash));
    const auto count = vmm::parse_number(slash == std::string::npos ? "" : text.substr(slash + 1));
    if (!number || !count || *number < 1 || *number > *count || *count > kMaximumRuns)
        return vmm::fail("\"{}\" is no shard: expected K/N with K from 1 to N, like 3/8", text);
    return Shard{*number, *count};
}

}  // namespace vtless::lab
