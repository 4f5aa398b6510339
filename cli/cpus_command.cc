// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "cli/commands.h"
#include "vmm/cpu_profile.h"

namespace vtless::cli {

namespace {

int list_cpus() {
    for (const std::string& name : vmm::cpu_profile_names()) {
        const auto profile = vmm::load_cpu_profile(name);
        if (!profile) {
            fmt::print(stderr, "vtless: {}\n", profile.error().message);
            return kBadInput;
        }
        fmt::print("{:<18}{}\n", name, profile->processor);
        for (const std::string& source : profile->sources) fmt::print("{:<18}  {}\n", "", source);
    }
    return kEndedAsAsked;
}

}  // namespace

Command add_cpus_command(CLI::App& app) {
    app.footer(
        "\nUnder each processor stand the sources of its values. docs/profiles.md has the format of "
        "files.\n");
    return list_cpus;
}

}  // namespace vtless::cli
