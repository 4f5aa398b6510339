// SPDX-License-Identifier: MIT
// The directory with a campaign's results: campaign.json says whose they are, runs/KEY.json is what became of
// one run. Files appear whole or not at all; several processes may work on one directory.
#pragma once

#include <optional>
#include <string>

#include "lab/campaign_plan.h"
#include "lab/campaign_result.h"
#include "vmm/error.h"

namespace vtless::lab {

class CampaignStore {
  public:
    // Makes the directory, or takes one that is empty or has results of this campaign by this build. All
    // others are refused.
    static vmm::Result<CampaignStore> open(const std::string& directory, const CampaignPlan& plan);

    // What is there; an error for a file that is not this run's.
    vmm::Result<std::optional<RunResult>> find(const PlannedRun& run) const;
    vmm::Result<void> save(const PlannedRun& run, const RunResult& result) const;
    // A file beside campaign.json, in one step.
    vmm::Result<void> write(const std::string& name, const std::string& text) const;
    void remove(const std::string& name) const;  // if it is there

    std::string path_of(const std::string& name) const { return directory_ + '/' + name; }

  private:
    explicit CampaignStore(std::string directory) : directory_(std::move(directory)) {}

    std::string directory_;
};

}  // namespace vtless::lab
