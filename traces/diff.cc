// SPDX-License-Identifier: MIT
#include "traces/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

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

std::string ended(const char* which, size_t count) {
    return fmt::format("{} ends here, after {} exits\n", which, count);
}

}  // namespace

std::optional<std::string> first_difference(const std::vector<std::string>& a,
                                            const std::vector<std::string>& b) {
    const size_t common = std::min(a.size(), b.size());
    const auto mismatch = std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(common), b.begin());
    const auto at = static_cast<size_t>(mismatch.first - a.begin());
    if (at == common && a.size() == b.size()) return std::nullopt;

    std::string text = fmt::format("the traces are the same for {} exits, then differ:\n", at);
    for (size_t i = at - std::min(at, kContext); i < at; ++i) text += fmt::format("    {}\n", a[i]);
    text += at < a.size() ? fmt::format("A:  {}\n", a[at]) : "A:  " + ended("A", a.size());
    text += at < b.size() ? fmt::format("B:  {}\n", b[at]) : "B:  " + ended("B", b.size());
    if (at < common) text += "what differs (A | B):\n" + differing_fields(a[at], b[at]);
    return text;
}

}  // namespace vtless::traces
