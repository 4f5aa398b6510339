// SPDX-License-Identifier: MIT
#include "lab/campaign_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <tuple>

namespace vtless::lab {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kNamedMissing = 5;

auto group_of(const CampaignRow& row) {
    return std::tie(row.run.image, row.run.cpu, row.run.profile, row.run.fidelity);
}

auto digests_of(const CampaignRow& row) { return std::tie(row.counts->digest, row.counts->time_digest); }

// The rows from begin that differ in the seed only: the seed is the matrix' innermost axis.
size_t end_of_group(const std::vector<CampaignRow>& rows, size_t begin) {
    size_t end = begin;
    while (end < rows.size() && group_of(rows[end]) == group_of(rows[begin])) ++end;
    return end;
}

void compare_seeds(std::vector<CampaignRow>& rows) {
    for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
        end = end_of_group(rows, begin);
        std::vector<CampaignRow*> ended;
        for (size_t i = begin; i < end; ++i)
            if (rows[i].counts) ended.push_back(&rows[i]);
        if (ended.size() < 2) continue;
        const bool same = std::ranges::all_of(
            ended, [&](const CampaignRow* row) { return digests_of(*row) == digests_of(*ended.front()); });
        for (CampaignRow* row : ended) row->seeds = same ? Seeds::Same : Seeds::Differ;
    }
}

const char* name(Seeds seeds) {
    return seeds == Seeds::Single ? "" : seeds == Seeds::Same ? "same" : "differ";
}

Json json_of(const CampaignRow& row) {
    Json json = {{"image", row.run.image},
                 {"cpu", row.run.cpu},
                 {"profile", row.run.profile},
                 {"fidelity", row.run.fidelity},
                 {"seed", row.run.seed},
                 {"key", row.run.key},
                 {"outcome", name(row.result.outcome)},
                 {"detail", row.result.detail},
                 {"as_expected", row.as_expected()},
                 {"seeds", name(row.seeds)}};
    if (!row.counts) return json;
    json["status"] = row.counts->status;
    json["end"] = row.counts->end;
    json["digest"] = row.counts->digest;
    json["time_digest"] = row.counts->time_digest;
    json["instructions"] = row.counts->instructions;
    json["cycles"] = row.counts->cycles;
    json["idle_cycles"] = row.counts->idle_cycles;
    json["interrupts"] = row.counts->interrupts;
    json["total_exits"] = row.counts->total_exits;
    return json;
}

constexpr std::array<const char*, 19> kColumns = {
    "image",  "cpu",         "profile",    "fidelity",    "seed",   "key",         "outcome",
    "detail", "as_expected", "seeds",      "status",      "digest", "time_digest", "instructions",
    "cycles", "idle_cycles", "interrupts", "total_exits", "end"};

// RFC 4180: quoted where it must be.
std::string csv_field(const Json& row, const char* column) {
    const auto found = row.find(column);
    if (found == row.end()) return "";
    std::string text = found->is_string() ? found->get<std::string>() : found->dump();
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char letter : text) quoted += letter == '"' ? "\"\"" : std::string(1, letter);
    return quoted + '"';
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

bool CampaignTable::seeds_agree() const {
    return std::ranges::none_of(rows, [](const CampaignRow& row) { return row.seeds == Seeds::Differ; });
}

bool CampaignTable::all_as_expected() const {
    return std::ranges::all_of(rows, [](const CampaignRow& row) { return row.as_expected(); });
}

vmm::Result<CampaignTable> make_table(const CampaignPlan& plan, const CampaignStore& store) {
    CampaignTable table{plan.name, plan.build, {}};
    std::vector<std::string> missing;
    for (const PlannedRun& run : plan.runs) {
        auto result = store.find(run);
        if (!result) return Unexpected(result.error());
        if (!*result) {
            missing.push_back(describe(run));
            continue;
        }
        auto counts =
            (*result)->outcome == RunResult::Outcome::Ended ? parse_report((*result)->report) : std::nullopt;
        table.rows.push_back({run, std::move(**result), std::move(counts), Seeds::Single});
    }
    if (const size_t count = missing.size(); count != 0) {
        missing.resize(std::min(count, kNamedMissing));
        return vmm::fail("{} of {} runs have no result: {}{}", count, plan.runs.size(),
                         fmt::join(missing, "; "), count > missing.size() ? "; ..." : "");
    }
    compare_seeds(table.rows);
    return table;
}

std::string describe(const PlannedRun& run) {
    return fmt::format("{} {} {} {} seed {}", run.image, run.cpu, run.profile, run.fidelity, run.seed);
}

std::string describe(const PlannedRun& run, const RunResult& result) {
    const auto counts =
        result.outcome == RunResult::Outcome::Ended ? parse_report(result.report) : std::nullopt;
    if (!counts) return fmt::format("{}: {}", name(result.outcome), result.detail);
    if (counts->status != run.status)
        return fmt::format("ended with status {}, expected {}: {}", counts->status, run.status, counts->end);
    return fmt::format("ended with status {}: {} cycles, {} exits", counts->status, counts->cycles,
                       counts->total_exits);
}

std::string table_json(const CampaignTable& table) {
    std::string text = fmt::format("{{\"vtless_campaign\": 1, \"name\": {}, \"build\": {}, \"runs\": [",
                                   Json(table.name).dump(), Json(table.build).dump());
    const char* between = "\n";
    for (const CampaignRow& row : table.rows) {
        text += between + dump(json_of(row));
        between = ",\n";
    }
    return text + "\n]}\n";
}

std::string table_csv(const CampaignTable& table) {
    std::string text = fmt::format("{}\n", fmt::join(kColumns, ","));
    for (const CampaignRow& row : table.rows) {
        const Json json = json_of(row);
        std::vector<std::string> fields;
        fields.reserve(kColumns.size());
        for (const char* column : kColumns) fields.push_back(csv_field(json, column));
        text += fmt::format("{}\n", fmt::join(fields, ","));
    }
    return text;
}

std::string findings(const CampaignTable& table) {
    std::string text;
    for (const CampaignRow& row : table.rows)
        if (!row.as_expected())
            text += fmt::format("{}: {}\n", describe(row.run), describe(row.run, row.result));
    for (const CampaignRow& row : table.rows)
        if (row.seeds == Seeds::Differ)
            text += fmt::format("{}: the seed changes what happens: digest {}, time_digest {}\n",
                                describe(row.run), row.counts->digest, row.counts->time_digest);
    return text;
}

}  // namespace vtless::lab
