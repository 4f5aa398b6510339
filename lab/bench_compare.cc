// SPDX-License-Identifier: MIT
#include "lab/bench_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

namespace vtless::lab {

namespace {

// Where a counter's events happen, from cause to effect: cycles follow from all that is above them.
struct Phase {
    std::string_view prefix;
    const char* name;
};
constexpr std::array<Phase, 6> kPhases = {{{"vmread", "handler"},
                                           {"vmwrite", "handler"},
                                           {"exit", "VM exits"},
                                           {"walk", "page walks"},
                                           {"instructions", "guest"},
                                           {"cycles", "all"}}};

size_t phase_of(std::string_view counter) {
    const auto found =
        std::ranges::find_if(kPhases, [&](const Phase& phase) { return counter.starts_with(phase.prefix); });
    return static_cast<size_t>(found - kPhases.begin());
}

const char* phase_name(const std::string& counter) {
    const size_t phase = phase_of(counter);
    return phase < kPhases.size() ? kPhases[phase].name : "";
}

std::optional<double> find(const BenchRow& row, const std::string& counter) {
    const auto found = row.counters.find(counter);
    return found == row.counters.end() ? std::nullopt : std::optional(found->second);
}

std::vector<BenchChange> changes_of(const std::string& name, const BenchRow& before, const BenchRow& after) {
    std::map<std::string, double> all = before.counters;
    all.insert(after.counters.begin(), after.counters.end());
    std::vector<BenchChange> changes;
    for (const auto& [counter, value] : all) {
        const auto was = find(before, counter);
        const auto is = find(after, counter);
        if (was != is) changes.push_back({name, counter, was, is});
    }
    std::ranges::stable_sort(changes, {}, [](const BenchChange& change) { return phase_of(change.counter); });
    return changes;
}

std::string number(std::optional<double> value) { return value ? fmt::format("{}", *value) : "-"; }

std::string line(const BenchChange& change) {
    return fmt::format("  {:<32} {:>10} {:>10} {:>+10}  {}\n", change.counter, number(change.before),
                       number(change.after), change.after.value_or(0) - change.before.value_or(0),
                       phase_name(change.counter));
}

std::string table(const std::vector<BenchChange>& changes) {
    std::string text =
        fmt::format("  {:<32} {:>10} {:>10} {:>10}  where\n", "an operation's", "baseline", "new", "change");
    std::string_view benchmark;
    for (const BenchChange& change : changes) {
        if (change.benchmark != benchmark) text += change.benchmark + '\n';
        benchmark = change.benchmark;
        text += line(change);
    }
    return text;
}

}  // namespace

BenchComparison compare(const BenchResult& baseline, const BenchResult& now) {
    BenchComparison comparison;
    for (const auto& [name, before] : baseline.rows) {
        const auto after = now.rows.find(name);
        if (after == now.rows.end()) {
            (depends_on_a_file(name) ? comparison.other_inputs : comparison.missing).push_back(name);
            continue;
        }
        const auto changes = changes_of(name, before, after->second);
        comparison.same += changes.empty() ? 1 : 0;
        comparison.changes.insert(comparison.changes.end(), changes.begin(), changes.end());
        if (before.host_ns && after->second.host_ns && *before.host_ns > 0)
            comparison.host_ratios.emplace_back(name, *after->second.host_ns / *before.host_ns);
    }
    for (const auto& [name, row] : now.rows)
        if (!baseline.rows.contains(name))
            (depends_on_a_file(name) ? comparison.other_inputs : comparison.unknown).push_back(name);
    return comparison;
}

std::string text(const BenchComparison& comparison) {
    std::string text;
    if (!comparison.changes.empty()) text += table(comparison.changes);
    for (const std::string& name : comparison.missing)
        text += fmt::format("{}: in the baseline, but not run\n", name);
    for (const std::string& name : comparison.unknown) text += fmt::format("{}: not in the baseline\n", name);
    for (const std::string& name : comparison.other_inputs)
        text += fmt::format("{}: NOT COMPARED, the other has no result for this file\n", name);
    for (const auto& [name, ratio] : comparison.host_ratios)
        text += fmt::format("{}: {:.2f} x the host time (noise; not gated)\n", name, ratio);
    text += fmt::format("{} benchmarks count exactly what they counted\n", comparison.same);
    return text;
}

}  // namespace vtless::lab
