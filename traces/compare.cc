// SPDX-License-Identifier: MIT
#include "traces/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "traces/rules.h"

namespace vtless::traces {

namespace {

constexpr size_t kContext = 3;     // exits of each trace shown before the difference
constexpr size_t kLookAhead = 64;  // tolerated exits

class Comparer {
  public:
    Comparer(const Trace& a, const Trace& b)
        : a_{a, b, 'A', &Comparison::Count::a}, b_{b, a, 'B', &Comparison::Count::b} {}

    Comparison run() {
        while (step()) {
        }
        return std::move(result_);
    }

  private:
    struct Side {
        const Trace& trace;
        const Trace& other;
        char name;
        uint64_t Comparison::Count::*count;
        size_t next = 0;

        bool at_end() const { return next == trace.exits.size(); }
        ExitLine exit() const { return ExitLine(trace.exits[next]); }
    };

    bool step() {
        skip(a_);
        skip(b_);
        if (a_.at_end() && b_.at_end()) return false;
        if (a_.at_end() || b_.at_end()) {
            Side& longer = a_.at_end() ? b_ : a_;
            return tolerate(longer) || differ();
        }
        if (const auto [of_a, of_b] = match(); of_a != 0) return go_on(of_a, of_b);
        const bool a_alone = tolerated_alone(a_.exit(), a_.trace, a_.other).has_value();
        const bool b_alone = tolerated_alone(b_.exit(), b_.trace, b_.other).has_value();
        if (a_alone && (!b_alone || comes_in_a(b_.exit()))) return tolerate(a_);
        return (b_alone && tolerate(b_)) || differ();
    }

    void note(std::string_view rule, const Side& side, uint64_t exits = 1) {
        result_.tolerated[std::string(rule)].*side.count += exits;
    }

    void skip(Side& side) {
        for (; !side.at_end(); ++side.next) {
            const auto rule = not_compared(side.exit(), side.trace, side.other);
            if (!rule) return;
            note(*rule, side);
        }
    }

    bool tolerate(Side& side) {
        const auto rule = tolerated_alone(side.exit(), side.trace, side.other);
        if (!rule) return false;
        note(*rule, side);
        ++side.next;
        return true;
    }

    // How many exits of each are the same access; none: they are not.
    std::pair<size_t, size_t> match() const {
        const ExitLine a = a_.exit();
        const ExitLine b = b_.exit();
        if (same_place(a, b) == Place::Different) return {0, 0};
        if (same_exit(a, a_.trace, b, b_.trace)) return {1, 1};
        if (const size_t parts = parts_of(a, b_.trace.exits, b_.next); parts != 0) return {1, parts};
        if (const size_t parts = parts_of(b, a_.trace.exits, a_.next); parts != 0) return {parts, 1};
        return {0, 0};
    }

    bool go_on(size_t of_a, size_t of_b) {
        if (same_place(a_.exit(), b_.exit()) == Place::Before) {
            note(kBeforeRule, a_, a_.exit().before() ? 1 : 0);
            note(kBeforeRule, b_, b_.exit().before() ? 1 : 0);
        }
        if (of_a + of_b > 2) {
            note(kSplitRule, a_, of_a);
            note(kSplitRule, b_, of_b);
        }
        ++result_.same;
        a_.next += of_a;
        b_.next += of_b;
        return true;
    }

    // Whether A has it behind exits that may be in A alone.
    bool comes_in_a(const ExitLine& wanted) const {
        const size_t end = std::min(a_.trace.exits.size(), a_.next + kLookAhead);
        for (size_t i = a_.next; i < end; ++i) {
            const ExitLine exit(a_.trace.exits[i]);
            if (same_exit(exit, a_.trace, wanted, b_.trace)) return true;
            if (!tolerated_alone(exit, a_.trace, a_.other) && !not_compared(exit, a_.trace, a_.other))
                return false;
        }
        return false;
    }

    bool differ() {
        std::string text = fmt::format("{} exits are the same, then the traces differ:\n", result_.same);
        for (const Side* side : {&a_, &b_}) text += context(*side);
        result_.difference = std::move(text);
        return false;
    }

    static std::string context(const Side& side) {
        std::string text;
        auto out = std::back_inserter(text);
        for (size_t i = side.next - std::min(side.next, kContext); i < side.next; ++i)
            fmt::format_to(out, "    {}\n", side.trace.exits[i]);
        for (const Trace::Note& note : side.trace.notes)
            if (note.exit == side.next) fmt::format_to(out, "{}: # {}\n", side.name, note.text);
        if (side.at_end()) {
            fmt::format_to(out, "{}:  ends here, after {} exits\n", side.name, side.next);
        } else {
            fmt::format_to(out, "{}:  {}\n", side.name, side.trace.exits[side.next]);
        }
        return text;
    }

    Side a_;
    Side b_;
    Comparison result_;
};

}  // namespace

Comparison compare_backends(const Trace& a, const Trace& b) { return Comparer(a, b).run(); }

std::string describe_tolerated(const Comparison& comparison) {
    std::string text;
    for (const auto& [rule, count] : comparison.tolerated) {
        fmt::format_to(std::back_inserter(text), "  {:<29} A {:>8}  B {:>8}  {}\n", rule, count.a, count.b,
                       explain_rule(rule));
    }
    return text;
}

}  // namespace vtless::traces
