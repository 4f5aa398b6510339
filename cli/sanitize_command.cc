// SPDX-License-Identifier: MIT
// vtless sanitize rules, and the options --sanitize and --sanitize-ignore of run and machine.
#include "cli/sanitize.h"

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "vmm/sanitizer_report.h"

namespace vtless::cli {

void SanitizeOptions::add_to(CLI::App& app) {
    app.add_flag("--sanitize", on,
                 "Report misuse of VMX that silicon tolerates or punishes later; status 4 if there is some");
    app.add_option("--sanitize-ignore", ignored,
                   "With --sanitize: a rule, as `vtless sanitize rules` lists them, to leave out")
        ->type_name("RULE");
}

vmm::Result<void> SanitizeOptions::attach(sim::VmxProcessorConfig& processor) {
    if (!on && !ignored.empty()) return vmm::fail("--sanitize-ignore belongs to --sanitize");
    if (!on) return {};
    sim::SanitizerConfig config;
    for (const std::string& id : ignored) {
        const auto rule = sim::find_rule(id);
        if (!rule) return vmm::fail("--sanitize-ignore: there is no rule \"{}\"", id);
        config.ignored.add(*rule);
    }
    sanitizer = std::make_unique<sim::Sanitizer>(std::move(config));
    processor.sanitizer = sanitizer.get();
    return {};
}

int SanitizeOptions::finish(int status) const {
    if (sanitizer == nullptr) return status;
    fmt::print(stderr, "{}", vmm::text_report(*sanitizer));
    return sanitizer->clean() || status == kGuestFailed ? status : kMisuse;
}

Command add_sanitize_rules_command(CLI::App& app) {
    auto json = std::make_shared<bool>(false);
    app.add_flag("--json", *json, "As JSON");
    return [json] {
        fmt::print("{}", *json ? vmm::rules_json() : vmm::rules_text());
        return kEndedAsAsked;
    };
}

}  // namespace vtless::cli
