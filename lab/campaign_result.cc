// SPDX-License-Identifier: MIT
#include "lab/campaign_result.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace vtless::lab {

namespace {

using Json = nlohmann::ordered_json;
using Outcome = RunResult::Outcome;

constexpr std::array<std::pair<Outcome, const char*>, 4> kOutcomes = {{{Outcome::Ended, "ended"},
                                                                       {Outcome::Died, "died"},
                                                                       {Outcome::TimedOut, "timed out"},
                                                                       {Outcome::Refused, "refused"}}};
constexpr int kBadInput = 2;  // how `vtless run` ends that has not begun

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

bool take(const Json& json, const char* key, std::string& target) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return false;
    target = found->get<std::string>();
    return true;
}

bool take(const Json& json, const char* key, uint64_t& target) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number_unsigned()) return false;
    target = found->get<uint64_t>();
    return true;
}

std::string describe_exit(int status, const std::string& messages) {
    std::string text = fmt::format("exit status {} without a report", status);
    if (!messages.empty()) text += ": " + first_line(messages);
    return text;
}

}  // namespace

const char* name(Outcome outcome) {
    for (const auto& [each, text] : kOutcomes)
        if (each == outcome) return text;
    return "";
}

std::optional<Outcome> outcome_named(const std::string& name) {
    for (const auto& [outcome, text] : kOutcomes)
        if (name == text) return outcome;
    return std::nullopt;
}

std::optional<RunCounts> parse_report(const std::string& report) {
    const Json json = Json::parse(report, nullptr, false);
    RunCounts counts;
    const bool whole =
        json.is_object() && take(json, "end", counts.end) && take(json, "status", counts.status) &&
        take(json, "digest", counts.digest) && take(json, "time_digest", counts.time_digest) &&
        take(json, "instructions", counts.instructions) && take(json, "cycles", counts.cycles) &&
        take(json, "idle_cycles", counts.idle_cycles) && take(json, "interrupts", counts.interrupts) &&
        take(json, "total_exits", counts.total_exits);
    return whole ? std::optional(counts) : std::nullopt;
}

RunResult result_of(ChildEnd end) {
    RunResult result{Outcome::Died, "", "", std::move(end.err)};
    if (WIFSIGNALED(end.status)) {
        const int signal = WTERMSIG(end.status);
        result.detail = fmt::format("signal {} ({})", signal, strsignal(signal));
        return result;
    }
    const int status = WEXITSTATUS(end.status);
    const auto counts = parse_report(end.out);
    if (counts && counts->status == static_cast<uint64_t>(status)) {
        result.outcome = Outcome::Ended;
        result.report = std::move(end.out);
        while (result.report.ends_with('\n')) result.report.pop_back();
    } else if (status == kBadInput) {
        result.outcome = Outcome::Refused;
        result.detail = first_line(result.messages);
    } else {
        result.detail = describe_exit(status, result.messages);
    }
    return result;
}

}  // namespace vtless::lab
