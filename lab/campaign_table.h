// SPDX-License-Identifier: MIT
// All results of a campaign, one row a run, in the plan's order: a function of the results alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/campaign_plan.h"
#include "lab/campaign_result.h"
#include "lab/campaign_store.h"
#include "vmm/error.h"

namespace vtless::lab {

enum class Seeds : uint8_t { Single, Same, Differ };

struct CampaignRow {
    PlannedRun run;
    RunResult result;
    std::optional<RunCounts> counts;  // if it has ended
    // Whether the runs that differ from this one in the seed only, and have ended, have its digests.
    Seeds seeds = Seeds::Single;

    // It ended, and with the status that the campaign says.
    bool as_expected() const { return counts && counts->status == run.status; }
};

struct CampaignTable {
    std::string name;
    std::string build;
    std::vector<CampaignRow> rows;

    bool seeds_agree() const;
    bool all_as_expected() const;
};

// Fails, naming some, if runs have no result yet.
vmm::Result<CampaignTable> make_table(const CampaignPlan& plan, const CampaignStore& store);

// "seabios default haswell approx seed 3".
std::string describe(const PlannedRun& run);
// What a person must know: "died: signal 9 (Killed)", "ended with status 3, expected 0: ...".
std::string describe(const PlannedRun& run, const RunResult& result);

std::string table_json(const CampaignTable& table);
std::string table_csv(const CampaignTable& table);
// The runs that are not as expected, and those whose digests a seed has changed: a line each.
std::string findings(const CampaignTable& table);

}  // namespace vtless::lab
