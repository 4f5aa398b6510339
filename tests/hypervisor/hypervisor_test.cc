// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/rom/run.h"

namespace vtless {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Bochs' model has no advanced exit information for EPT violations either.
constexpr const char* kOptions = "--memory 32M --cpu haswell";

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::string run_here(const char* name, const std::string& options = "") {
    return rom::run_here(HYPERVISOR_ROM, "", rom::scratch(name), std::string(kOptions) + ' ' + options);
}

// From the first exit to the end: Bochs announces itself before.
std::vector<std::string> exits_of(const std::string& text) {
    std::vector<std::string> lines = lines_of(text);
    while (!lines.empty() && lines.front().find(" | reason") == std::string::npos) lines.erase(lines.begin());
    while (!lines.empty() && lines.back() != "end") lines.pop_back();
    return lines;
}

TEST(Hypervisor, RunsItsGuestOnTheRealInstructions) {
    const std::vector<std::string> exits = exits_of(run_here("hypervisor"));
    std::map<std::string, int> counts;
    for (const std::string& line : exits) ++counts[line.substr(0, line.find(' '))];
    const std::map<std::string, int> expected = {{"Nothing", 5},   {"IoWrite", 20},        {"IoRead", 3},
                                                 {"Halt", 2},      {"SysRegRead", 1},      {"MmioRead", 2},
                                                 {"MmioWrite", 4}, {"NestedPageFault", 1}, {"Hypercall", 4},
                                                 {"FailEntry", 1}, {"Unhandled", 1},       {"SysRegWrite", 1},
                                                 {"end", 1}};
    EXPECT_EQ(counts, expected);
    // The guest's own count of exceptions and interrupts: #UD, #DE, #PF, #BP, vector 40H, NMI.
    for (const char* text : {"IoWrite 80 4 4 |", "IoWrite 80 4 5 |", "IoWrite 80 4 6 |"})
        EXPECT_THAT(exits, Contains(StartsWith(text)));
    // The device's answer, with what the guest's OR made of it; the hypercall's result.
    EXPECT_THAT(exits, Contains(StartsWith("MmioWrite d0000008 4 11223344 |")));
    EXPECT_THAT(exits, Contains(StartsWith("IoWrite 80 4 3 |")));
    EXPECT_THAT(exits, Contains(StartsWith("Unhandled 2 0 |")));  // its end: a triple fault
}

TEST(Hypervisor, MisusesNothing) {
    (void)run_here("hypervisor-sanitized", "--sanitize");
    std::ostringstream said;
    said << std::ifstream(rom::scratch("hypervisor-sanitized") + "/ours.err").rdbuf();
    EXPECT_THAT(said.str(), HasSubstr("43 VM entries"));
    EXPECT_THAT(said.str(), HasSubstr("sanitizer: no misuse found"));
}

// The guest's OR with a device's register: the engine sees its read first (D8 of sim/DEVIATIONS.md), Bochs
// reports the write. What the backend makes of it is the same.
std::string without_access_of_or(std::string line) {
    for (const char* device : {"MmioRead d0000008 ", "MmioWrite d0000008 "}) {
        if (line.rfind(device, 0) == 0) line.erase(line.find("30 18") + 5, 1);
    }
    return line;
}

TEST(Hypervisor, HasTheSameExitsUnderBochs) {
    if (const std::string reason = rom::why_no_bochs(); !reason.empty()) GTEST_SKIP() << "SKIP: " << reason;
    const auto ours = exits_of(run_here("hypervisor-ours"));
    const auto bochs = exits_of(rom::run_in_bochs(HYPERVISOR_ROM, rom::scratch("hypervisor-bochs")));
    ASSERT_GT(ours.size(), 40u);
    ASSERT_EQ(ours.size(), bochs.size());
    for (size_t i = 0; i < ours.size(); ++i)
        EXPECT_EQ(without_access_of_or(ours[i]), without_access_of_or(bochs[i]));
}

}  // namespace
}  // namespace vtless
