// SPDX-License-Identifier: MIT
#include "vmm/statistics.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "vmm/sanitizer_report.h"

namespace vtless::vmm {

namespace {

double milliseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

std::string simulated_totals(const RunStatistics& statistics) {
    return fmt::format(
        "instructions  {}\ncycles        {} ({:.6f} s at {} MHz), {} of them halted\n",
        statistics.instructions, statistics.cycles,
        static_cast<double>(statistics.cycles) / static_cast<double>(statistics.cycles_per_second),
        static_cast<double>(statistics.cycles_per_second) / 1e6, statistics.idle_cycles);
}

std::string hex(uint64_t value) { return fmt::format("{:016x}", value); }

}  // namespace

uint64_t RunStatistics::total_exits() const {
    uint64_t total = 0;
    for (const ExitStatistics& exit : exits) total += exit.count;
    return total;
}

std::string text_report(const RunStatistics& statistics, const RunEnd& end) {
    std::string text = fmt::format("{}\n\n", end.text);
    auto out = std::back_inserter(text);
    fmt::format_to(out, "{:<18} {:>12} {:>18} {:>14} {:>12}\n", "exit", "count", "simulated cycles",
                   "guest host ms", "VMM host ms");
    ExitStatistics total;
    auto row = [&](const char* name, const ExitStatistics& exit) {
        const std::string cycles = statistics.simulated ? std::to_string(exit.cycles) : "-";
        fmt::format_to(out, "{:<18} {:>12} {:>18} {:>14.3f} {:>12.3f}\n", name, exit.count, cycles,
                       milliseconds(exit.guest_nanoseconds), milliseconds(exit.vmm_nanoseconds));
    };
    for (size_t i = 0; i < kExitKinds; ++i) {
        const ExitStatistics& exit = statistics.exits[i];
        if (exit.count == 0) continue;
        row(name(static_cast<ExitKind>(i)), exit);
        total.count += exit.count;
        total.cycles += exit.cycles;
        total.guest_nanoseconds += exit.guest_nanoseconds;
        total.vmm_nanoseconds += exit.vmm_nanoseconds;
    }
    row("all", total);
    text += "\n";
    if (statistics.simulated) text += simulated_totals(statistics);
    fmt::format_to(out, "interrupts    {}\nhost time     {:.3f} ms\n", statistics.interrupts,
                   milliseconds(statistics.host_nanoseconds));
    for (const auto& [msr, count] : statistics.refused_msrs) {
        fmt::format_to(out, "unknown MSR   {:#x}: #GP, {} times\n", msr, count);
    }
    if (statistics.simulated) {
        fmt::format_to(out, "digest        {:016x}\ntime_digest   {:016x}\n", statistics.digest,
                       statistics.time_digest);
    }
    return text;
}

std::string json_report(const RunStatistics& statistics, const RunEnd& end) {
    nlohmann::ordered_json json;
    json["end"] = end.text;
    json["status"] = end.status;
    if (statistics.simulated) {
        json["digest"] = hex(statistics.digest);
        json["time_digest"] = hex(statistics.time_digest);
        json["instructions"] = statistics.instructions;
        json["cycles"] = statistics.cycles;
        json["idle_cycles"] = statistics.idle_cycles;
        json["cycles_per_second"] = statistics.cycles_per_second;
    }
    json["interrupts"] = statistics.interrupts;
    json["host_ns"] = statistics.host_nanoseconds;
    json["total_exits"] = statistics.total_exits();
    json["exits"] = nlohmann::ordered_json::object();
    for (size_t i = 0; i < kExitKinds; ++i) {
        const ExitStatistics& exit = statistics.exits[i];
        if (exit.count == 0) continue;
        auto& row = json["exits"][name(static_cast<ExitKind>(i))];
        row["count"] = exit.count;
        if (statistics.simulated) row["cycles"] = exit.cycles;
        row["guest_host_ns"] = exit.guest_nanoseconds;
        row["vmm_host_ns"] = exit.vmm_nanoseconds;
    }
    json["refused_msrs"] = nlohmann::ordered_json::object();
    for (const auto& [msr, count] : statistics.refused_msrs) {
        json["refused_msrs"][fmt::format("{:#x}", msr)] = count;
    }
    if (end.sanitizer != nullptr) json["sanitizer"] = json_findings(*end.sanitizer);
    return json.dump() + "\n";
}

}  // namespace vtless::vmm
