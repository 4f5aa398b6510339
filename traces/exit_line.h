// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vtless::traces {

// The number behind `name` in a list "...<separator>name=0x12<separator>...", or decimal.
std::optional<uint64_t> number_of(std::string_view list, char separator, std::string_view name);

// A line of a trace, taken apart. Views into the line.
struct ExitLine {
    explicit ExitLine(std::string_view line);

    std::optional<uint64_t> payload(std::string_view name) const { return number_of(fields, ',', name); }
    std::optional<uint64_t> seen(std::string_view name) const { return number_of(line, ' ', name); }
    bool before() const;  // registers=before

    std::string_view line;
    std::string_view kind;    // empty: the line has no exit
    std::string_view fields;  // of the exit: ",port=0x402,width=0x1,data=0x41"
};

}  // namespace vtless::traces
