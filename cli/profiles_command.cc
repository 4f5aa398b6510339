// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/complain.h"
#include "lab/timing_validation.h"
#include "vmm/timing_profile.h"

namespace vtless::cli {

namespace {

std::string text(const vmm::TimingNumber& number) {
    return number.value ? fmt::format("{}", *number.value) : "unknown";
}

int list_profiles() {
    for (const std::string& name : vmm::timing_profile_names()) {
        const auto profile = vmm::load_timing_profile(name);
        if (!profile) return complain(profile.error().message);
        fmt::print("{:<18}{:<26}VM exit and entry {:>7} cycles\n", name, profile->processor,
                   text(profile->number(vmm::kVmExitRoundTrip)));
    }
    return kEndedAsAsked;
}

int show_profile(const std::string& name) {
    const auto profile = vmm::load_timing_profile(name);
    if (!profile) return complain(profile.error().message);
    fmt::print("{}: {}\n", profile->name, profile->processor);
    fmt::print("  {:<19}{:>15}  {}\n", "instructions",
               profile->instructions.empty() ? "unknown" : profile->instructions,
               profile->instructions_source);
    for (const vmm::TimingNumber& number : profile->numbers)
        fmt::print("  {:<26}{:>8}  {}{}\n", number.name, text(number), number.free ? "free parameter: " : "",
                   number.source);
    for (const vmm::TimingCheck& check : profile->checks)
        fmt::print("  check {:<20}{:>8}  {}\n", check.name, check.value, check.source);
    return kEndedAsAsked;
}

bool all_known(const vmm::TimingProfile& profile) {
    for (const vmm::TimingNumber& number : profile.numbers)
        if (!number.value) return false;
    return true;
}

int validate_profiles() {
    fmt::print("{:<17}{:<20}{:>8}{:>11}{:>8}  {:<6} source\n", "profile", "number", "model", "published",
               "error", "");
    for (const std::string& name : vmm::timing_profile_names()) {
        const auto profile = vmm::load_timing_profile(name);
        if (!profile) return complain(profile.error().message);
        if (!all_known(*profile)) {
            fmt::print("{:<17}has unknown numbers: nothing to compare\n", name);
            continue;
        }
        const auto rows = lab::validate(*profile);
        if (!rows) return complain(rows.error().message);
        for (const lab::Validated& row : *rows)
            fmt::print("{:<17}{:<20}{:>8.0f}{:>11}{:>+7.1f}%  {:<6} {}\n", row.profile, row.number, row.model,
                       row.published, row.error_percent(), row.input ? "input" : "check", row.source);
    }
    return kEndedAsAsked;
}

}  // namespace

Command add_profiles_command(CLI::App& app) {
    app.footer(
        "\nA profile says what VM exits, VM entries and event delivery take: docs/timing.md has the format "
        "of files.\n");
    app.require_subcommand(0, 1);
    auto name = std::make_shared<std::string>();
    auto* show = app.add_subcommand("show", "A profile's numbers and their sources");
    show->add_option("NAME|FILE", *name, "A name that `vtless profiles` lists, or a file")->required();
    auto* validate =
        app.add_subcommand("validate", "Compare what the model takes with what has been published");
    validate->footer(
        "\nInputs are numbers that the model was given; checks are published numbers that it was not.\n");
    return [name, show, validate] {
        if (show->parsed()) return show_profile(*name);
        return validate->parsed() ? validate_profiles() : list_profiles();
    };
}

}  // namespace vtless::cli
