// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "vmm/processor_state.h"
#include "vmm/statistics.h"

namespace vtless::vmm {
namespace {

RunStatistics example() {
    RunStatistics statistics;
    statistics.of(ExitKind::IoRead) = {3, 300, 1'500'000, 500'000};
    statistics.of(ExitKind::Halt) = {1, 7, 10, 20};
    statistics.cycles = 1000;
    statistics.instructions = 50;
    statistics.digest = 0xabc;
    statistics.time_digest = 0xdef;
    statistics.refused_msrs[0x1234] = 2;
    return statistics;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(Report, TextShowsExitsThatHappened) {
    const std::string text = text_report(example(), {"the end", 0});
    EXPECT_TRUE(text.starts_with("the end\n"));
    EXPECT_TRUE(contains(text, "IoRead"));
    EXPECT_FALSE(contains(text, "IoWrite"));
    EXPECT_TRUE(contains(text, "digest        0000000000000abc\n"));
    EXPECT_TRUE(contains(text, "unknown MSR   0x1234"));
}

TEST(Report, JsonIsOneLineWithEverything) {
    const std::string text = json_report(example(), {"the \"end\"", 3});
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    const auto json = nlohmann::json::parse(text);
    EXPECT_EQ(json["end"], "the \"end\"");
    EXPECT_EQ(json["status"], 3);
    EXPECT_EQ(json["digest"], "0000000000000abc");
    EXPECT_EQ(json["exits"]["IoRead"]["count"], 3);
    EXPECT_EQ(json["exits"]["IoRead"]["cycles"], 300);
    EXPECT_EQ(json["total_exits"], 4);
    EXPECT_EQ(json["refused_msrs"]["0x1234"], 2);
}

TEST(Report, OfARunOnHardwareHasNothingSimulated) {
    RunStatistics statistics = example();
    statistics.simulated = false;
    const std::string text = text_report(statistics, {"the end", 0});
    for (const char* part : {"digest", "instructions", "300", "1000"})
        EXPECT_FALSE(contains(text, part)) << part << "\n" << text;
    const auto json = nlohmann::json::parse(json_report(statistics, {"the end", 0}));
    for (const char* key : {"digest", "time_digest", "instructions", "cycles", "idle_cycles"})
        EXPECT_FALSE(json.contains(key)) << key;
    EXPECT_FALSE(json["exits"]["IoRead"].contains("cycles"));
    EXPECT_EQ(json["exits"]["IoRead"]["count"], 3);
}

TEST(ProcessorState, IsDescribedByModeFlagsAndCode) {
    ProcessorState state;
    state.rip = 0x7c00;
    state.rflags = 0x246;
    state.cr0 = 0x80000011;
    state.efer = 0x500;
    state.segments[static_cast<size_t>(x86::SegmentRegister::CS)] = {0x10, 0, 0xffffffff, {0xa09b}};
    state.segments[static_cast<size_t>(x86::SegmentRegister::LDTR)].rights.raw = x86::AccessRights::kUnusable;
    state.exit_information = {{"EXIT_REASON", 2}};
    state.code = {0x0f, 0x0b};
    const std::string text = describe(state);
    for (const char* part : {"RIP 0000000000007c00", "[PF ZF IF]", "64-bit mode", "CR0 80000011 [PE ET PG]",
                             "[LME LMA]", "unusable", "EXIT_REASON 0x2", "code at CS:RIP 0f 0b"}) {
        EXPECT_TRUE(contains(text, part)) << part << "\n" << text;
    }
    state.code.clear();
    EXPECT_TRUE(contains(describe(state), "cannot be fetched"));
}

}  // namespace
}  // namespace vtless::vmm
