// SPDX-License-Identifier: MIT
// Runs of a campaign, each a process of its own, so many at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "lab/campaign_plan.h"
#include "lab/campaign_result.h"
#include "lab/campaign_store.h"
#include "vmm/error.h"

namespace vtless::lab {

struct CampaignExecution {
    std::string program;  // its arguments are a run's
    size_t jobs = 1;
    std::vector<const PlannedRun*> runs;
    // After each result is in the store; with how many are being run.
    std::function<void(const PlannedRun&, const RunResult&, size_t running)> finished;
    std::function<void(size_t running)> tick;  // about each second
};

// Which runs have no report yet.
vmm::Result<std::vector<const PlannedRun*>> runs_to_do(const CampaignPlan& plan, const CampaignStore& store);
// The signal that interrupted it (SIGINT, SIGTERM, SIGHUP), 0 if everything was run. Then, and on an error,
// all children have been ended and what they did is forgotten.
vmm::Result<int> execute(const CampaignPlan& plan, const CampaignExecution& execution,
                         const CampaignStore& store);

}  // namespace vtless::lab
