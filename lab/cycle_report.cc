// SPDX-License-Identifier: MIT
#include "lab/cycle_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "isa/x86/exit_reason.h"
#include "lab/bench_result.h"
#include "sim/time/ticks.h"

namespace vtless::lab {

namespace {

using sim::CyclePhase;
using sim::CycleProfile;
using sim::ExitTimes;
using sim::kCyclePhases;
using sim::kTicksPerCycle;
using sim::PhaseTimes;

constexpr size_t kShownRanges = 40;

uint64_t whole_cycles(uint64_t ticks) { return ticks / kTicksPerCycle; }
// Exact: a tick is a sixteenth.
double cycles(uint64_t ticks) { return static_cast<double>(ticks) / kTicksPerCycle; }
double share(uint64_t part, uint64_t all) {
    return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

std::string space_name(uint64_t space) {
    return space == sim::CodePlace::kNoPaging ? "no paging" : fmt::format("cr3 {:#x}", space);
}

struct NamedExit {
    std::string name;
    const ExitTimes* times;
};

// Those that were, in the order of their numbers.
std::vector<NamedExit> exits_of(const CycleProfile& profile) {
    std::vector<NamedExit> exits = {{"(start)", &profile.start()}};
    for (unsigned reason = 0; reason < CycleProfile::kReasons; ++reason) {
        const ExitTimes& times = profile.exits(reason);
        const char* name = x86::name(static_cast<x86::ExitReason>(reason));
        if (times.count != 0)
            exits.push_back({name != nullptr ? name : fmt::format("exit reason {}", reason), &times});
    }
    return exits;
}

// Of all address spaces together: a name is the same everywhere, a page is not.
std::vector<GuestRange> merged(std::vector<GuestRange> ranges) {
    std::map<std::string, GuestRange> names;
    for (GuestRange& range : ranges) {
        if (!range.named) range.name += " (" + space_name(range.space) + ")";
        GuestRange& sum = names[range.name];
        sum.name = range.name;
        sum.ticks += range.ticks;
    }
    std::vector<GuestRange> sums;
    sums.reserve(names.size());
    for (auto& [name, range] : names) sums.push_back(std::move(range));
    return sums;
}

std::string row(const std::string& name, const std::string& count, const PhaseTimes& ticks) {
    std::string text = fmt::format("{:<24} {:>10}", name, count);
    for (const uint64_t value : ticks.values) text += fmt::format(" {:>13}", whole_cycles(value));
    return text + fmt::format(" {:>14}\n", whole_cycles(ticks.total()));
}

std::string exit_table(const CycleProfile& profile) {
    std::string text = fmt::format("{:<24} {:>10}", "cycles by VM exit", "count");
    for (unsigned i = 0; i < kCyclePhases; ++i)
        text += fmt::format(" {:>13}", name(static_cast<CyclePhase>(i)));
    text += fmt::format(" {:>14}\n", "all");
    uint64_t count = 0;
    for (const NamedExit& exit : exits_of(profile)) {
        count += exit.times->count;
        text += row(exit.name, exit.times == &profile.start() ? "" : std::to_string(exit.times->count),
                    exit.times->ticks);
    }
    return text + row("all", std::to_string(count), profile.ticks());
}

std::string shares(const char* title, std::vector<GuestRange> ranges, uint64_t all) {
    std::ranges::stable_sort(ranges, std::greater{}, &GuestRange::ticks);
    std::string text = fmt::format("{:<48} {:>14} {:>7}\n", title, "cycles", "share");
    const auto line = [&](const std::string& name, uint64_t ticks) {
        text += fmt::format("{:<48} {:>14} {:>6.2f}%\n", name, whole_cycles(ticks), 100 * share(ticks, all));
    };
    uint64_t others = all;
    for (size_t i = 0; i < std::min(ranges.size(), kShownRanges); ++i) {
        line(ranges[i].name, ranges[i].ticks);
        others -= ranges[i].ticks;
    }
    if (ranges.size() > kShownRanges) line(fmt::format("{} others", ranges.size() - kShownRanges), others);
    line("all", all);
    return text;
}

std::vector<GuestRange> spaces_of(const std::vector<GuestRange>& ranges) {
    std::vector<GuestRange> spaces;
    for (const GuestRange& range : ranges) {
        if (spaces.empty() || spaces.back().space != range.space)
            spaces.push_back({range.space, true, space_name(range.space), 0});
        spaces.back().ticks += range.ticks;
    }
    return spaces;
}

std::string host_table(const CycleProfile& profile) {
    const PhaseTimes host = profile.host_ns();
    std::string text = "host's time, ms (another in every run)\n";
    for (unsigned i = 0; i < kCyclePhases; ++i)
        if (host.values[i] != 0)
            text += fmt::format("{:<24} {:>14.3f}\n", name(static_cast<CyclePhase>(i)),
                                static_cast<double>(host.values[i]) / 1e6);
    return text;
}

// A semicolon ends a frame.
std::string frame(std::string name) {
    std::ranges::replace(name, ';', ':');
    return name;
}

// Rows as Google Benchmark has them, for what came once.
class BenchmarkRows {
  public:
    struct Times {
        uint64_t ticks = 0;
        double host_ns = 0;
    };

    nlohmann::ordered_json& add(const std::string& name, const Times& times) {
        nlohmann::ordered_json row;
        row["name"] = kExactPrefix + name;
        row["family_index"] = rows_.size();
        row["per_family_instance_index"] = 0;
        row["run_name"] = row["name"];
        row["run_type"] = "iteration";
        row["repetitions"] = 1;
        row["repetition_index"] = 0;
        row["threads"] = 1;
        row["iterations"] = 1;
        row["real_time"] = times.host_ns;
        row["cpu_time"] = cycles(times.ticks);
        row["time_unit"] = "ns";
        row["cycles"] = cycles(times.ticks);
        rows_.push_back(std::move(row));
        return rows_.back();
    }
    nlohmann::ordered_json take() { return std::move(rows_); }

  private:
    nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

}  // namespace

std::vector<GuestRange> guest_ranges(const CycleProfile& profile, const GuestSymbols& symbols) {
    constexpr uint64_t kPage = 0x1000;
    constexpr uint64_t kNamed = ~uint64_t{0};  // in the place of a page
    std::map<std::tuple<uint64_t, uint64_t, std::string_view>, uint64_t> sums;
    for (const sim::InstructionTime& time : profile.instructions()) {
        const std::string* name = symbols.find(time.place.linear);
        const uint64_t page = name != nullptr ? kNamed : time.place.linear / kPage;
        sums[{time.place.space, page, name != nullptr ? *name : std::string_view()}] += time.ticks;
    }
    std::vector<GuestRange> ranges;
    for (const auto& [key, ticks] : sums) {
        const auto& [space, page, name] = key;
        const bool named = page == kNamed;
        ranges.push_back(
            {space, named,
             named ? std::string(name) : fmt::format("{:#x}-{:#x}", page * kPage, page * kPage + kPage - 1),
             ticks});
    }
    return ranges;
}

std::string cycle_table(const CycleProfile& profile, const GuestSymbols& symbols) {
    const std::vector<GuestRange> ranges = guest_ranges(profile, symbols);
    const uint64_t guest = profile.ticks()[CyclePhase::Guest];
    return exit_table(profile) + '\n' + shares("guest code", merged(ranges), guest) + '\n' +
           shares("guest address spaces", spaces_of(ranges), guest) + '\n' + host_table(profile);
}

std::string folded_stacks(const CycleProfile& profile, const GuestSymbols& symbols) {
    std::string text;
    const auto add = [&](const std::string& stack, uint64_t ticks) {
        if (ticks != 0) text += fmt::format("{} {}\n", stack, ticks);
    };
    for (const GuestRange& range : guest_ranges(profile, symbols))
        add(fmt::format("guest;{};{}", space_name(range.space), frame(range.name)), range.ticks);
    for (unsigned i = 0; i < kCyclePhases; ++i) {
        const auto phase = static_cast<CyclePhase>(i);
        if (phase == CyclePhase::Guest) continue;
        for (const NamedExit& exit : exits_of(profile))
            add(fmt::format("{};{}", name(phase), exit.name), exit.times->ticks[phase]);
    }
    return text;
}

std::string benchmark_json(const CycleProfile& profile, const GuestSymbols& symbols) {
    BenchmarkRows rows;
    const PhaseTimes ticks = profile.ticks();
    const PhaseTimes host = profile.host_ns();
    for (unsigned i = 0; i < kCyclePhases; ++i)
        rows.add(fmt::format("phase/{}", name(static_cast<CyclePhase>(i))),
                 {ticks.values[i], static_cast<double>(host.values[i])});
    for (const NamedExit& exit : exits_of(profile)) {
        auto& row = rows.add("exit/" + exit.name,
                             {exit.times->ticks.total(), static_cast<double>(exit.times->host_ns.total())});
        row["exits"] = exit.times->count;
        for (unsigned i = 0; i < kCyclePhases; ++i)
            row[fmt::format("cycles {}", name(static_cast<CyclePhase>(i)))] =
                cycles(exit.times->ticks.values[i]);
    }
    const auto guest_ns = static_cast<double>(host[CyclePhase::Guest]);
    for (const GuestRange& range : merged(guest_ranges(profile, symbols)))
        rows.add("guest/" + range.name,
                 {range.ticks, guest_ns * share(range.ticks, ticks[CyclePhase::Guest])});
    nlohmann::ordered_json json;
    json["context"]["executable"] = "vtless run --profile-cycles";
    json["context"]["vtless_counters"] = std::to_string(kCountersVersion);
    json["benchmarks"] = rows.take();
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace vtless::lab
