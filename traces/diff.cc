// SPDX-License-Identifier: MIT
#include "traces/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace vtless::traces {

namespace {

constexpr size_t kContext = 3;  // exits shown before the difference

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> result;
    while (!line.empty()) {
        const size_t end = std::min(line.find(' '), line.size());
        result.push_back(line.substr(0, end));
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return result;
}

std::string differing_fields(std::string_view a, std::string_view b) {
    const auto in_a = words(a);
    const auto in_b = words(b);
    std::string text;
    for (size_t i = 0; i < std::max(in_a.size(), in_b.size()); ++i) {
        const std::string_view left = i < in_a.size() ? in_a[i] : "(nothing)";
        const std::string_view right = i < in_b.size() ? in_b[i] : "(nothing)";
        if (left != right) fmt::format_to(std::back_inserter(text), "    {}   |   {}\n", left, right);
    }
    return text;
}

std::string notes(const Trace& trace, size_t exit, const char* mark) {
    std::string text;
    for (const Trace::Note& note : trace.notes) {
        if (note.exit == exit) fmt::format_to(std::back_inserter(text), "{} # {}\n", mark, note.text);
    }
    return text;
}

std::string version(const Trace& trace, size_t exit, const char* mark) {
    const std::string which = exit < trace.exits.size()
                                  ? trace.exits[exit]
                                  : fmt::format("{} ends here, after {} exits", mark[0], trace.exits.size());
    return notes(trace, exit, mark) + fmt::format("{}  {}\n", mark, which);
}

}  // namespace

std::optional<std::string> first_difference(const Trace& a, const Trace& b) {
    const size_t common = std::min(a.exits.size(), b.exits.size());
    const auto end = a.exits.begin() + static_cast<ptrdiff_t>(common);
    const auto mismatch = std::mismatch(a.exits.begin(), end, b.exits.begin());
    const auto at = static_cast<size_t>(mismatch.first - a.exits.begin());
    if (at == common && a.exits.size() == b.exits.size()) return std::nullopt;

    std::string text = fmt::format("the traces are the same for {} exits, then differ:\n", at);
    for (size_t i = at - std::min(at, kContext); i < at; ++i) {
        text += notes(a, i, "A:") + notes(b, i, "B:");
        text += fmt::format("    {}\n", a.exits[i]);
    }
    text += version(a, at, "A:") + version(b, at, "B:");
    if (at < common) text += "what differs (A | B):\n" + differing_fields(a.exits[at], b.exits[at]);
    return text;
}

}  // namespace vtless::traces
