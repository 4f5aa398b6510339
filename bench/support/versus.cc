// SPDX-License-Identifier: MIT
#include "bench/support/versus.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace vtless::bench {
namespace {

struct Row {
    std::string what;
    Target target;
    double floor = 0;
    double measured = 0;
    std::string part;  // of several that the table has in one row

    double ratio() const { return measured / floor; }
    bool met() const {
        switch (target.kind) {
            case Target::Kind::Ratio:
                return ratio() <= target.value;
            case Target::Kind::More:
                return measured - floor <= target.value;
            case Target::Kind::Speed:
                return floor / measured >= target.value;
            case Target::Kind::Absolute:
                return measured <= target.value;
        }
        return false;
    }
    std::string goal() const {
        switch (target.kind) {
            case Target::Kind::Ratio:
                return fmt::format("<= {:.2f} x", target.value);
            case Target::Kind::More:
                return fmt::format("<= +{:.1f} ns", target.value);
            case Target::Kind::Speed:
                return fmt::format(">= {:.0f} % speed", 100 * target.value);
            case Target::Kind::Absolute:
                return fmt::format("<= {:.1f} ns", target.value);
        }
        return {};
    }
    std::string reached() const {
        switch (target.kind) {
            case Target::Kind::More:
                return fmt::format("+{:.2f} ns", measured - floor);
            case Target::Kind::Speed:
                return fmt::format("{:.0f} % speed", 100 * floor / measured);
            default:
                return fmt::format("{:.2f} x", ratio());
        }
    }
};

std::vector<Row>& rows() {
    static std::vector<Row> all;
    return all;
}

// Google Benchmark runs a function several times to find its number of iterations; the last run counts.
void keep(const Row& row) {
    const auto known = std::find_if(rows().begin(), rows().end(), [&](const Row& each) {
        return each.what == row.what && each.part == row.part;
    });
    if (known != rows().end()) {
        *known = row;
    } else {
        rows().push_back(row);
    }
}

// No other part of the same row is further from its floor.
bool is_worst_part(const Row& row) {
    const auto more = [](const Row& each) { return each.measured - each.floor; };
    return std::none_of(rows().begin(), rows().end(), [&](const Row& other) {
        if (other.what != row.what || &other == &row) return false;
        return more(other) > more(row) || (more(other) == more(row) && &other < &row);
    });
}

}  // namespace

void versus(benchmark::State& state, const std::string& what, Target target,
            const std::vector<Contest>& contests) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    Row row{what, target, kInfinity, kInfinity, {}};
    size_t next = 0;
    const auto round = [&] {
        const Contest& contest = contests[next++ % contests.size()];
        row.floor = std::min(row.floor, contest.floor());
        row.measured = std::min(row.measured, contest.measured());
    };
    // The first round of each warms it up: nothing is translated or mapped before.
    for (size_t i = 0; i < 3 * contests.size(); ++i) round();
    for (auto _ : state) round();
    state.counters["floor"] = row.floor;
    state.counters["measured"] = row.measured;
    state.counters["ratio"] = row.ratio();
    state.counters["met"] = row.met();
    keep(row);
}

void record(const std::string& what, Target target, double floor_ns, double measured_ns) {
    keep({what, target, floor_ns, measured_ns, {}});
}

void record_part(const std::string& what, const std::string& part, Target target, const Measured& measured) {
    keep({what, target, measured.floor_ns, measured.ns, part});
}

std::string summary() {
    std::string text = fmt::format("{:<58} {:>9} {:>9} {:>12} {:>14}  {}\n", "what", "floor ns", "ns",
                                   "reached", "target", "");
    for (const Row& row : rows()) {
        if (!is_worst_part(row)) continue;
        text += fmt::format("{:<58} {:>9.2f} {:>9.2f} {:>12} {:>14}  {}\n", row.what, row.floor, row.measured,
                            row.reached(), row.goal(), row.met() ? "met" : "MISSED");
    }
    return text;
}

}  // namespace vtless::bench
