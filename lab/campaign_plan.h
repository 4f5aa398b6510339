// SPDX-License-Identifier: MIT
// The runs of a campaign: the whole matrix in order, each with what decides its outcome.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/campaign_file.h"
#include "vmm/error.h"

namespace vtless::lab {

struct PlannedRun {
    std::string image;
    std::string cpu;
    std::string profile;
    std::string fidelity;
    uint64_t seed = 0;
    uint64_t status = 0;                 // that it is to end with
    std::vector<std::string> arguments;  // of the command: "run", ...
    // All that decides the outcome: the build, and the arguments with files' contents in the place of paths.
    std::vector<std::string> inputs;
    std::string key;  // their digest, 16 hexadecimal digits
};

// A file as it was when its contents were hashed.
struct PlannedFile {
    std::string path;
    uint64_t size = 0;
    int64_t modified = 0;  // nanoseconds
    std::string digest;
};

struct CampaignPlan {
    std::string name;
    std::string build;  // which vtless: results of another are other results
    std::optional<uint64_t> host_seconds;
    std::vector<PlannedRun> runs;  // images, then cpus, then profiles, then fidelities, then seeds
    std::vector<PlannedFile> files;
};

// Reads every file. Fails if one cannot be read, or for more than a million runs.
vmm::Result<CampaignPlan> make_plan(const Campaign& campaign, const std::string& build);
// A file that is no longer what it was when the plan was made; empty: none.
std::string changed_file(const CampaignPlan& plan);

// Part K of N, both from 1: every Nth run from the Kth. Disjoint, and together everything.
struct Shard {
    size_t number = 1;
    size_t count = 1;

    bool has(size_t index) const { return index % count == number - 1; }
};
// With the shard's runs only.
CampaignPlan part_of(CampaignPlan plan, Shard shard);
vmm::Result<Shard> parse_shard(const std::string& text);

}  // namespace vtless::lab
