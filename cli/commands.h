// SPDX-License-Identifier: MIT
// The subcommands of `vtless`. Each describes itself to the parser and returns what runs it.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

namespace vtless::cli {

// Exit statuses. A guest that writes v to the debug exit port gives (v << 1) | 1.
inline constexpr int kEndedAsAsked = 0;
inline constexpr int kDifferent =
    1;  // vtless trace diff, vmcs diff, bench compare, campaign; vmcs explain: some check is violated
inline constexpr int kBadInput = 2;
inline constexpr int kGuestFailed = 3;
inline constexpr int kMisuse = 4;  // --sanitize has found some

using Command = std::function<int()>;

Command add_run_command(CLI::App& app);
Command add_machine_command(CLI::App& app);
Command add_trace_diff_command(CLI::App& trace);
Command add_bench_compare_command(CLI::App& app);
Command add_bench_baseline_command(CLI::App& app);
Command add_vmcs_explain_command(CLI::App& app);
Command add_vmcs_checks_command(CLI::App& app);
Command add_vmcs_diff_command(CLI::App& app);
Command add_sanitize_rules_command(CLI::App& app);
Command add_doctor_command(CLI::App& app);
Command add_campaign_command(CLI::App& app);
Command add_cpus_command(CLI::App& app);
Command add_profiles_command(CLI::App& app);

}  // namespace vtless::cli
