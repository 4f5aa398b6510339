// SPDX-License-Identifier: MIT
#include "vmm/sanitizer_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace vtless::vmm {

namespace {

std::string hex(uint64_t value) { return fmt::format("{:#x}", value); }

}  // namespace

std::string text_report(const sim::Sanitizer& sanitizer) {
    if (sanitizer.clean()) return "sanitizer: no misuse found\n";
    std::string text;
    for (const sim::Finding& finding : sanitizer.findings())
        text += fmt::format("sanitizer: {}\n", sim::describe(finding));
    if (sanitizer.dropped() != 0)
        text += fmt::format("sanitizer: {} more findings are not listed\n", sanitizer.dropped());
    return text;
}

nlohmann::ordered_json json_findings(const sim::Sanitizer& sanitizer) {
    auto json = nlohmann::ordered_json::object();
    json["findings"] = nlohmann::ordered_json::array();
    for (const sim::Finding& finding : sanitizer.findings()) {
        const sim::RuleInfo& rule = sim::info(finding.rule);
        const sim::FindingSite& site = finding.site;
        json["findings"].push_back({{"rule", rule.id},
                                    {"sentence", rule.sentence},
                                    {"details", finding.details},
                                    {"processor", site.processor},
                                    {"exits", site.exits},
                                    {"cycle", site.cycles},
                                    {"rip", hex(site.rip)},
                                    {"vmcs", hex(site.vmcs.value())},
                                    {"count", finding.count},
                                    {"advice", rule.advice},
                                    {"section", rule.section}});
    }
    json["dropped"] = sanitizer.dropped();
    return json;
}

std::string json_text(const sim::Sanitizer& sanitizer) { return json_findings(sanitizer).dump(); }

std::string rules_text() {
    std::string text;
    for (const sim::RuleInfo& rule : sim::all_rules())
        text +=
            fmt::format("{}\n    {}\n    {}\n    {}\n", rule.id, rule.sentence, rule.advice, rule.section);
    return text;
}

std::string rules_json() {
    auto json = nlohmann::ordered_json::array();
    for (const sim::RuleInfo& rule : sim::all_rules()) {
        json.push_back({{"id", rule.id},
                        {"sentence", rule.sentence},
                        {"advice", rule.advice},
                        {"section", rule.section}});
    }
    return json.dump() + "\n";
}

}  // namespace vtless::vmm
