// SPDX-License-Identifier: MIT
#include "lab/bench_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

namespace vtless::lab {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kBaselineKey = "vtless_baseline";
constexpr const char* kVersionKey = "vtless_counters";

// Numbers that Google Benchmark itself writes into each row.
bool is_counter(std::string_view key) {
    constexpr std::array<std::string_view, 11> kOthers = {"family_index",    "per_family_instance_index",
                                                          "repetitions",     "repetition_index",
                                                          "threads",         "iterations",
                                                          "real_time",       "cpu_time",
                                                          "big_o",           "rms",
                                                          "items_per_second"};
    return std::ranges::find(kOthers, key) == kOthers.end();
}

// Of a member of that type, or nullptr.
const Json* member(const Json& json, const char* key, Json::value_t type) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    return found == json.end() || found->type() != type ? nullptr : &*found;
}

std::string text(const Json& json, const char* key) {
    const Json* found = member(json, key, Json::value_t::string);
    return found == nullptr ? "" : found->get<std::string>();
}

std::optional<double> nanoseconds(const Json& row) {
    const auto time = row.find("real_time");
    if (time == row.end() || !time->is_number()) return std::nullopt;
    const std::string unit = text(row, "time_unit");
    const double factor = unit == "s" ? 1e9 : unit == "ms" ? 1e6 : unit == "us" ? 1e3 : 1;
    return time->get<double>() * factor;
}

std::map<std::string, double> counters_of(const Json& row) {
    std::map<std::string, double> counters;
    for (const auto& [key, value] : row.items())
        if (value.is_number() && is_counter(key)) counters[key] = value;
    return counters;
}

// What is wrong with the version of the counters; empty if nothing is.
std::string wrong_version(const Json& holder) {
    const auto found = holder.find(kVersionKey);
    if (found == holder.end())
        return fmt::format("it has no \"{}\": not a result of vtless benchmarks", kVersionKey);
    const std::string version = found->is_string() ? found->get<std::string>() : found->dump();
    if (version == std::to_string(kCountersVersion)) return "";
    return fmt::format("its counters are of version {}, this build's of version {}: make it again", version,
                       kCountersVersion);
}

// Which benchmark failed, or is none; empty if all is well.
std::string add_row(const Json& row, BenchResult& result) {
    const std::string name = text(row, "name");
    if (!row.is_object() || name.empty()) return "a benchmark without a name";
    const std::string type = text(row, "run_type");
    if (!name.starts_with(kExactPrefix) || (!type.empty() && type != "iteration")) return "";
    if (const Json* failed = member(row, "error_occurred", Json::value_t::boolean);
        failed != nullptr && failed->get<bool>())
        return fmt::format("{} failed: {}", name, text(row, "error_message"));
    result.rows[name] = {counters_of(row), nanoseconds(row)};
    return "";
}

Expected<BenchResult, std::string> from_benchmark(const Json& context, const Json& rows) {
    if (const std::string wrong = wrong_version(context); !wrong.empty()) return Unexpected(wrong);
    BenchResult result;
    for (const Json& row : rows)
        if (const std::string wrong = add_row(row, result); !wrong.empty()) return Unexpected(wrong);
    return result;
}

Expected<BenchResult, std::string> from_baseline(const Json& json, const Json& rows) {
    if (const std::string wrong = wrong_version(json); !wrong.empty()) return Unexpected(wrong);
    BenchResult result;
    for (const auto& [name, row] : rows.items()) {
        if (!row.is_object()) return Unexpected(fmt::format("{}: its counters are not an object", name));
        result.rows[name] = {counters_of(row), std::nullopt};
    }
    return result;
}

Expected<BenchResult, std::string> parse(std::ifstream& file) {
    const Json json = Json::parse(file, nullptr, false);
    if (const Json* rows = member(json, kBaselineKey, Json::value_t::object))
        return from_baseline(json, *rows);
    const Json* context = member(json, "context", Json::value_t::object);
    const Json* rows = member(json, "benchmarks", Json::value_t::array);
    if (context == nullptr || rows == nullptr)
        return Unexpected(
            std::string(json.is_discarded() ? "not JSON" : "JSON") +
            std::string(": neither a result of Google Benchmark (--benchmark_out=FILE) nor a baseline"));
    return from_benchmark(*context, *rows);
}

// A count is written as one.
Json number(double value) {
    const auto whole = static_cast<int64_t>(value);
    return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}

}  // namespace

Expected<BenchResult, std::string> read_bench_result(const std::string& path) {
    std::ifstream file(path);
    if (!file) return Unexpected(path + ": cannot be read");
    auto result = parse(file);
    if (!result) return Unexpected(path + ": " + result.error());
    if (result->rows.empty())
        return Unexpected(fmt::format("{}: it has no benchmark named {}...", path, kExactPrefix));
    return result;
}

std::string baseline_json(const BenchResult& result) {
    Json json;
    json[kVersionKey] = kCountersVersion;
    Json& rows = json[kBaselineKey];
    for (const auto& [name, row] : result.rows)
        for (const auto& [counter, value] : row.counters) rows[name][counter] = number(value);
    return json.dump(2) + '\n';
}

}  // namespace vtless::lab
