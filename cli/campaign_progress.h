// SPDX-License-Identifier: MIT
// How far a campaign is, on standard error: one line that changes on a terminal, else a line for each run.
#pragma once

#include <chrono>
#include <cstddef>

#include "lab/campaign_plan.h"
#include "lab/campaign_result.h"

namespace vtless::cli {

class CampaignProgress {
  public:
    explicit CampaignProgress(size_t runs);
    ~CampaignProgress() { clear(); }
    CampaignProgress(const CampaignProgress&) = delete;
    CampaignProgress& operator=(const CampaignProgress&) = delete;

    void finished(const lab::PlannedRun& run, const lab::RunResult& result, size_t running);
    void tick(size_t running);

  private:
    void clear();

    size_t runs_;
    size_t done_ = 0;
    size_t failed_ = 0;  // without a report
    bool terminal_;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

}  // namespace vtless::cli
