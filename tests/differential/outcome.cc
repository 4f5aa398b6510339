// SPDX-License-Identifier: MIT
#include "tests/differential/outcome.h"

#include <fmt/format.h>

#include <sstream>

#include "isa/x86/event_info.h"
#include "isa/x86/exception.h"
#include "isa/x86/registers.h"
#include "isa/x86/rflags.h"
#include "vcpu/exit.h"

namespace vtless::differential {

namespace {

std::optional<std::pair<uint64_t, Outcome>> parse(std::string line) {
    for (char& character : line)
        if (character == '|') character = ' ';
    std::istringstream words(line);
    Outcome outcome;
    uint64_t seed = 0;
    words >> std::hex >> seed >> outcome.exits >> outcome.digest;
    for (uint64_t& word : outcome.end) words >> word;
    words >> outcome.rip >> outcome.rflags;
    for (uint64_t& gpr : outcome.gprs) words >> gpr;
    for (uint64_t& hash : outcome.memory) words >> hash;
    if (!words) return std::nullopt;
    return std::pair(seed, outcome);
}

std::string text_of_end(const Outcome& outcome) {
    return fmt::format("{} {:x} {:x} at {:x}", name(static_cast<ExitKind>(outcome.end[0])), outcome.end[1],
                       outcome.end[2], outcome.rip);
}

// D8 of sim/DEVIATIONS.md: the page fault of a read-modify-write says that it reads.
bool is_read_modify_write_fault(const Outcome& ours, const Outcome& theirs) {
    constexpr uint64_t kWrite = uint64_t{2} << 32;
    return static_cast<ExitKind>(ours.end[0]) == ExitKind::Unhandled && ours.rip == theirs.rip &&
           x86::EventInfo{static_cast<uint32_t>(ours.end[1])}.vector() ==
               static_cast<uint8_t>(x86::Vector::PF) &&
           (ours.end[1] | kWrite) == theirs.end[1] && ours.end[2] == theirs.end[2];
}

}  // namespace

std::map<uint64_t, Outcome> parse_outcomes(const std::string& text) {
    std::map<uint64_t, Outcome> outcomes;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (const auto parsed = parse(line)) outcomes.insert(*parsed);
    }
    return outcomes;
}

std::string difference(const Outcome& ours, const Outcome& bochs) {
    const auto other = difference_from_case(ours, bochs, "Bochs");
    if (!other.empty() || is_read_modify_write_fault(ours, bochs)) return other;
    if (ours.exits != bochs.exits) return fmt::format("exits {:x}, Bochs {:x}", ours.exits, bochs.exits);
    if (ours.digest != bochs.digest)
        return fmt::format("exits' digest {:x}, Bochs {:x}", ours.digest, bochs.digest);
    return "";
}

std::string difference_from_case(const Outcome& ours, const Outcome& theirs, const char* who) {
    const auto both = [who](const std::string& what, uint64_t a, uint64_t b) {
        return fmt::format("{} {:x}, {} {:x}", what, a, who, b);
    };
    if (is_read_modify_write_fault(ours, theirs)) return "";
    if (ours.end != theirs.end || ours.rip != theirs.rip)
        return fmt::format("ends with {}, {} {}", text_of_end(ours), who, text_of_end(theirs));
    for (unsigned i = 0; i < ours.gprs.size(); ++i) {
        if (ours.gprs[i] != theirs.gprs[i])
            return both(x86::name(static_cast<x86::Gpr>(i)), ours.gprs[i], theirs.gprs[i]);
    }
    const bool exception = static_cast<ExitKind>(ours.end[0]) == ExitKind::Unhandled;
    const uint64_t ignored = exception ? x86::rflags::RF : 0;
    if (((ours.rflags ^ theirs.rflags) & ~ignored) != 0) return both("RFLAGS", ours.rflags, theirs.rflags);
    constexpr const char* kMemory[] = {"stack", "data", "page tables"};
    for (unsigned i = 0; i < ours.memory.size(); ++i) {
        if (ours.memory[i] != theirs.memory[i])
            return both(fmt::format("hash of {}", kMemory[i]), ours.memory[i], theirs.memory[i]);
    }
    return "";
}

}  // namespace vtless::differential
