// SPDX-License-Identifier: MIT
#include "lab/campaign_store.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "lab/whole_file.h"

namespace vtless::lab {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kIdentity = "campaign.json";
constexpr const char* kRuns = "runs";
constexpr const char* kVersionKey = "vtless_campaign";
constexpr uint64_t kVersion = 1;

Json identity_of(const CampaignPlan& plan) {
    return {{kVersionKey, kVersion}, {"name", plan.name}, {"build", plan.build}};
}

// A member's text, whatever it is; files may hold anything.
std::string text(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found == json.end() ? "" : found->is_string() ? found->get<std::string>() : found->dump();
}

// Why the directory with that campaign.json is not the plan's; empty if it is.
std::string other_than(const CampaignPlan& plan, const std::string& identity) {
    const Json json = Json::parse(identity, nullptr, false);
    if (!json.is_object() || !json.contains(kVersionKey))
        return fmt::format("its {} is not a campaign's", kIdentity);
    if (json[kVersionKey] != kVersion)
        return fmt::format("its format is version {}, this vtless writes {}", text(json, kVersionKey),
                           kVersion);
    if (text(json, "name") != plan.name)
        return fmt::format("it has the results of campaign \"{}\", this one is \"{}\"", text(json, "name"),
                           plan.name);
    if (text(json, "build") != plan.build)
        return fmt::format("its results are of vtless {}, this is {}", text(json, "build"), plan.build);
    return "";
}

// Whether something is there that a campaign has not made.
bool has_entries(const std::string& directory, std::error_code& error) {
    for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
         at.increment(error))
        if (at->path().filename().string().find(kIdentity) == std::string::npos) return true;
    return false;
}

std::string file_of(const PlannedRun& run) { return fmt::format("{}/{}.json", kRuns, run.key); }

}  // namespace

vmm::Result<CampaignStore> CampaignStore::open(const std::string& directory, const CampaignPlan& plan) {
    CampaignStore store(directory);
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return vmm::fail("{}: cannot be made: {}", directory, error.message());
    // Before the identity: another process makes that one first, so that what is there by now has it.
    const bool used = has_entries(directory, error);
    if (error) return vmm::fail("{}: {}", directory, error.message());
    const std::string path = store.path_of(kIdentity);
    auto identity = read_whole(path);
    if (!identity) return Unexpected(identity.error());
    if (!*identity) {
        if (used)
            return vmm::fail("{}: not empty, and without a {}: name another directory", directory, kIdentity);
        const auto written = write_whole(path, identity_of(plan).dump(2) + '\n', IfThere::Keep);
        if (!written) return Unexpected(written.error());
        identity = read_whole(path);
        if (!identity) return Unexpected(identity.error());
    }
    if (const std::string other = other_than(plan, identity->value_or("")); !other.empty())
        return vmm::fail("{}: {}: name another directory", directory, other);
    std::filesystem::create_directories(store.path_of(kRuns), error);
    if (error) return vmm::fail("{}: cannot be made: {}", store.path_of(kRuns), error.message());
    return store;
}

vmm::Result<std::optional<RunResult>> CampaignStore::find(const PlannedRun& run) const {
    const std::string path = path_of(file_of(run));
    const auto file = read_whole(path);
    if (!file) return Unexpected(file.error());
    if (!*file) return std::optional<RunResult>();
    const Json json = Json::parse(**file, nullptr, false);
    const auto outcome = json.is_object() ? outcome_named(text(json, "outcome")) : std::nullopt;
    if (!outcome || !json.contains("inputs") || json["inputs"] != Json(run.inputs))
        return vmm::fail("{}: not the result of the run that its name says: remove it", path);
    RunResult result{*outcome, text(json, "detail"), "", text(json, "messages")};
    if (json.contains("report")) result.report = json["report"].dump();
    if (*outcome == RunResult::Outcome::Ended && !parse_report(result.report))
        return vmm::fail("{}: its report is not one of `vtless run`: remove it", path);
    return std::optional(std::move(result));
}

vmm::Result<void> CampaignStore::save(const PlannedRun& run, const RunResult& result) const {
    Json json = {{"inputs", run.inputs}, {"outcome", name(result.outcome)}};
    if (!result.detail.empty()) json["detail"] = result.detail;
    if (!result.report.empty()) json["report"] = Json::parse(result.report, nullptr, false);
    if (!result.messages.empty()) json["messages"] = result.messages;
    // A guest's text may be in the messages, in whatever encoding.
    return write(file_of(run), json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

vmm::Result<void> CampaignStore::write(const std::string& name, const std::string& text) const {
    return write_whole(path_of(name), text, IfThere::Replace);
}

void CampaignStore::remove(const std::string& name) const {
    std::error_code ignored;
    std::filesystem::remove(path_of(name), ignored);
}

}  // namespace vtless::lab
