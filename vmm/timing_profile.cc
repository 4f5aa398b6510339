// SPDX-License-Identifier: MIT
#include "vmm/timing_profile.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "isa/check.h"
#include "sim/time/cost_table.h"
#include "vmm/profile_file.h"

namespace vtless::vmm {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExitPercent = "vm_exit_percent";
constexpr const char* kCarriedOut = "carried_out_instruction";

constexpr std::string_view kKeys[] = {"name", "processor", "instructions", "numbers", "checks"};

struct Known {
    const char* name;
    uint32_t most;
    uint32_t sim::TransitionCosts::*cost = nullptr;  // where the number goes as it is
};
constexpr Known kNumbers[] = {
    {kVmExitRoundTrip, 1'000'000},
    {kExitPercent, 100},
    {"event_delivery", 100'000, &sim::TransitionCosts::event_delivery},
    {kCarriedOut, 4'000},  // the engine counts sixteenths of cycles, in 16 bits
    {"walk_reference", 10'000, &sim::TransitionCosts::walk_reference},
    {"vmread", 100'000, &sim::TransitionCosts::vmread},
    {"vmwrite", 100'000, &sim::TransitionCosts::vmwrite},
    {"vmcs_switch", 100'000, &sim::TransitionCosts::vmcs_switch},
    {"invalidation", 100'000, &sim::TransitionCosts::invalidation},
};

const Known* known(std::string_view name) {
    const auto* found = std::ranges::find_if(kNumbers, [&](const Known& each) { return name == each.name; });
    return found == std::end(kNumbers) ? nullptr : found;
}

class Reader {
  public:
    explicit Reader(const Json& json) : json_(json) {}

    // Empty if all is well.
    std::string read(TimingProfile& profile) {
        if (!json_.is_object()) return "expected a JSON object";
        for (const auto& [key, value] : json_.items()) {
            if (std::ranges::find(kKeys, key) == std::end(kKeys))
                return fmt::format("unknown key \"{}\"; expected {}", key, fmt::join(kKeys, ", "));
        }
        profile.name = text(json_, "name");
        profile.processor = text(json_, "processor");
        read_instructions(profile);
        if (!json_.contains("numbers") || !json_["numbers"].is_object())
            return "\"numbers\": expected an object";
        for (const auto& [key, value] : json_["numbers"].items()) add_number(key, value, profile);
        for (const Known& each : kNumbers)
            if (!json_["numbers"].contains(each.name)) complain("\"numbers\": \"{}\" is missing", each.name);
        if (json_.contains("checks")) add_checks(json_["checks"], profile);
        return error_;
    }

  private:
    void read_instructions(TimingProfile& profile) {
        const auto found = json_.find("instructions");
        if (found == json_.end() || !found->is_object())
            return complain("\"instructions\": expected value and source");
        profile.instructions_source = text(*found, "source");
        const std::string model = text(*found, "value");
        if (model == "unknown") return;
        profile.instructions = model;
        if (sim::CostTable::find(model) == nullptr)
            complain("\"instructions\": no model \"{}\"; there are {}", model,
                     fmt::join(sim::CostTable::names(), ", "));
    }
    template <class... Args>
    void complain(fmt::format_string<Args...> format, Args&&... args) {
        if (error_.empty()) error_ = fmt::format(format, std::forward<Args>(args)...);
    }
    std::string text(const Json& object, const char* key) {
        const auto found = object.find(key);
        if (found != object.end() && found->is_string() && !found->get_ref<const std::string&>().empty())
            return *found;
        complain("\"{}\": expected a text", key);
        return "";
    }
    std::optional<uint32_t> value(const std::string& name, const Json& json) {
        const Known* limits = known(name);
        if (limits == nullptr) {
            complain("\"{}\" is no number of a timing profile", name);
        } else if (!json.is_number_unsigned() || json.get<uint64_t>() > limits->most) {
            complain("\"{}\": expected a whole number up to {}, found {}", name, limits->most, json.dump());
        } else {
            return json.get<uint32_t>();
        }
        return std::nullopt;
    }
    void add_number(const std::string& name, const Json& json, TimingProfile& profile) {
        if (!json.is_object() || !json.contains("value"))
            return complain("\"{}\": expected value and source", name);
        TimingNumber number{name, std::nullopt, "", json.contains("free")};
        number.source = text(json, number.free ? "free" : "source");
        const bool unknown = json["value"] == "unknown";
        if (!unknown || known(name) == nullptr) number.value = value(name, json["value"]);
        profile.numbers.push_back(std::move(number));
    }
    void add_checks(const Json& list, TimingProfile& profile) {
        if (!list.is_array()) return complain("\"checks\": expected a list");
        for (const Json& json : list) {
            if (!json.is_object() || !json.contains("value")) return complain("\"checks\": expected objects");
            const std::string name = text(json, "number");
            profile.checks.push_back({name, value(name, json["value"]).value_or(0), text(json, "source")});
        }
    }

    const Json& json_;
    std::string error_;
};

}  // namespace

const TimingNumber& TimingProfile::number(std::string_view wanted) const {
    const auto found =
        std::ranges::find_if(numbers, [&](const TimingNumber& each) { return each.name == wanted; });
    VTLESS_CHECK(found != numbers.end());
    return *found;
}

std::vector<std::string> timing_profile_names() {
    std::vector<std::string> names;
    for (const EmbeddedProfile& each : embedded_timing_profiles()) names.emplace_back(each.name);
    return names;
}

Result<TimingProfile> load_timing_profile(const std::string& name) {
    const auto text =
        profile_text(name, {"timing profile", embedded_timing_profiles(), timing_profile_names()});
    if (!text) return Unexpected(text.error());
    return parse_timing_profile(*text, name);
}

Result<TimingProfile> parse_timing_profile(std::string_view text, const std::string& origin) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail("{}: not JSON", origin);
    TimingProfile profile;
    if (const std::string wrong = Reader(json).read(profile); !wrong.empty())
        return fail("{}: {}", origin, wrong);
    return profile;
}

Result<void> apply(const TimingProfile& profile, sim::EngineConfig& config) {
    for (const TimingNumber& number : profile.numbers) {
        if (!number.value)
            return fail(
                "timing profile {}: {} is unknown ({}); copy the profile, put a number of yours there, and "
                "name the file",
                profile.name, number.name, number.source);
    }
    if (profile.instructions.empty())
        return fail("timing profile {}: the model of its instructions is unknown ({})", profile.name,
                    profile.instructions_source);
    const uint32_t round_trip = *profile.number(kVmExitRoundTrip).value;
    config.transitions.vm_exit = round_trip * *profile.number(kExitPercent).value / 100;
    config.transitions.vm_entry = round_trip - config.transitions.vm_exit;
    for (const Known& each : kNumbers)
        if (each.cost != nullptr) config.transitions.*each.cost = *profile.number(each.name).value;
    config.costs.table = sim::CostTable::find(profile.instructions);
    config.costs.carried_out = static_cast<uint16_t>(*profile.number(kCarriedOut).value);
    return {};
}

}  // namespace vtless::vmm
