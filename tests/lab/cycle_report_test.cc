// SPDX-License-Identifier: MIT
#include "lab/cycle_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "isa/x86/exit_reason.h"
#include "lab/bench_result.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::lab {
namespace {

using sim::CodePlace;

// A run of two exits: CPUID, and HLT after what two pages and a function took.
class CycleReport : public testing::Test {
  protected:
    CycleReport() {
        profile.start({16, 320, 4240, 1600});
        profile.begin_entry({1000, 0, 0});
        enter(320, false);
        profile.charge_instruction({CodePlace::kNoPaging, 0xf1234}, 100, ++now.instructions);
        leave(100, 1, x86::ExitReason::CPUID);
        enter(640, true);
        now.ticks += 1600;
        profile.charge_instruction({0x5000, 0x1234}, 30, ++now.instructions);
        profile.charge_instruction({0x5000, 0x1238}, 3, ++now.instructions);
        profile.charge_instruction({0x6000, 0x1234}, 7, ++now.instructions);
        profile.charge_instruction({0x6000, 0x9000}, 5, ++now.instructions);
        leave(45, 4, x86::ExitReason::HLT);
        symbols.add({{0x1200, 0x1300, "busy;loop"}});
    }

    // The clocks of what runs go on before the profile hears of it.
    void enter(uint64_t handler, bool injects) {
        now.ticks = (now.ticks == 0 ? 1000 : now.ticks) + handler;
        profile.begin_entry(now);
        now.ticks += 4240;
        profile.begin_guest(now, injects);
        before = now;
    }
    void leave(uint64_t ticks, uint64_t instructions, x86::ExitReason reason) {
        now.instructions = before.instructions;
        profile.begin_run(now);
        now.ticks += ticks;
        now.instructions += instructions;
        profile.end_run(now, {});
        now.ticks += 4240;
        profile.end_entry(now, static_cast<unsigned>(reason));
    }

    sim::CycleProfile profile;
    sim::CycleProfile::Moment now;
    sim::CycleProfile::Moment before;
    GuestSymbols symbols;
};

TEST_F(CycleReport, FoldedStacksSumToTheClock) {
    const std::string text = folded_stacks(profile, symbols);
    EXPECT_EQ(text,
              "guest;cr3 0x5000;busy:loop 33\n"
              "guest;cr3 0x6000;0x9000-0x9fff 5\n"
              "guest;cr3 0x6000;busy:loop 7\n"
              "guest;no paging;0xf1000-0xf1fff 100\n"
              "exit;CPUID 4240\n"
              "exit;HLT 4240\n"
              "handler;(start) 1320\n"
              "handler;CPUID 640\n"
              "entry;(start) 4240\n"
              "entry;CPUID 4240\n"
              "injection;CPUID 1600\n");
    std::istringstream lines(text);
    uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);) sum += std::stoull(line.substr(line.rfind(' ') + 1));
    EXPECT_EQ(sum, now.ticks);
}

TEST_F(CycleReport, TheTableHasPhasesExitsAndCode) {
    const std::string text = cycle_table(profile, symbols);
    for (const char* part : {"CPUID                             1             6",
                             "busy;loop                                                     2  27.59%",
                             "0x9000-0x9fff (cr3 0x6000)", "no paging", "host's time"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST_F(CycleReport, TheJsonIsABenchmarksResult) {
    const std::string text = benchmark_json(profile, symbols);
    const vmm::TemporaryFile file(text);
    const auto result = read_bench_result(file.path());
    ASSERT_TRUE(result) << result.error();
    const auto counter = [&](const std::string& row, const std::string& name) {
        const auto found = result->rows.find("exact/" + row);
        return found == result->rows.end() ? -1 : found->second.counters.at(name);
    };
    EXPECT_EQ(counter("phase/guest", "cycles"), 145 / 16.0);
    EXPECT_EQ(counter("guest/busy;loop", "cycles"), 40 / 16.0);
    EXPECT_EQ(counter("guest/0x9000-0x9fff (cr3 0x6000)", "cycles"), 5 / 16.0);
    EXPECT_EQ(counter("exit/CPUID", "exits"), 1);
    EXPECT_EQ(counter("exit/CPUID", "cycles injection"), 100);
    EXPECT_EQ(counter("exit/HLT", "cycles guest"), 45 / 16.0);
    // What Google's compare.py asks of a row.
    for (const auto& row : nlohmann::json::parse(text)["benchmarks"])
        for (const char* key : {"name", "run_type", "real_time", "cpu_time", "time_unit", "iterations"})
            EXPECT_TRUE(row.contains(key)) << row;
}

}  // namespace
}  // namespace vtless::lab
