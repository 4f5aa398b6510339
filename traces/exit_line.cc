// SPDX-License-Identifier: MIT
#include "traces/exit_line.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace vtless::traces {

namespace {

constexpr std::string_view kExit = " exit=";

}  // namespace

std::optional<uint64_t> number_of(std::string_view list, char separator, std::string_view name) {
    std::string wanted(1, separator);
    wanted.append(name).push_back('=');
    const size_t at = list.find(wanted);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view text = list.substr(at + wanted.size());
    text = text.substr(0, std::min(text.find(separator), text.size()));
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

ExitLine::ExitLine(std::string_view text) : line(text) {
    const size_t at = line.find(kExit);
    if (at == std::string_view::npos) return;
    std::string_view exit = line.substr(at + kExit.size());
    exit = exit.substr(0, std::min(exit.find(' '), exit.size()));
    kind = exit.substr(0, std::min(exit.find(','), exit.size()));
    fields = exit.substr(kind.size());
}

bool ExitLine::before() const { return line.find(" registers=before ") != std::string_view::npos; }

}  // namespace vtless::traces
