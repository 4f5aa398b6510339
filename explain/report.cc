// SPDX-License-Identifier: MIT
// Reports and the table of checks, as text and as JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "explain/explain.h"
#include "sim/vmx/entry_refusal.h"

namespace vtless::explain {
namespace {

using nlohmann::ordered_json;

std::string violation_text(const Violation& violation) {
    return fmt::format("{}  {}\n    {}\n    {} is {:#x}; allowed: {}\n", violation.rule->id,
                       sim::citation(violation.rule->section), violation.rule->sentence,
                       x86::name(violation.field), violation.value, violation.allowed);
}

ordered_json rule_json(const sim::EntryCheckRule& rule) {
    return {{"id", rule.id},
            {"section", rule.section.number},
            {"title", rule.section.title},
            {"sentence", rule.sentence}};
}

}  // namespace

std::string text_report(const Report& report) {
    std::string text = fmt::format("{} of {} checks violated, {} not decidable\n", report.violations.size(),
                                   sim::kEntryChecks, report.undecided.size());
    auto out = std::back_inserter(text);
    for (const Violation& violation : report.violations) text += "\n" + violation_text(violation);
    if (!report.violations.empty()) {
        const sim::EntryCheckRule& first = *report.violations[0].rule;
        fmt::format_to(
            out, "\nThe processor reports the first, {}, by {}{}.\n", first.id, consequence(first),
            report.first_is_certain ? "" : ", unless a check that is not decidable fails before it");
    }
    if (!report.undecided.empty()) text += "\nNot decidable, for want of\n";
    for (const Undecided& undecided : report.undecided)
        fmt::format_to(out, "  {:<40} {}\n", undecided.rule->id, fmt::join(undecided.needs, ", "));
    if (!report.beyond_checks.empty()) text += "\nSet, and not checked beyond being supported:\n";
    for (const std::string& controls : report.beyond_checks) fmt::format_to(out, "  {}\n", controls);
    return text;
}

std::string json_report(const Report& report) {
    ordered_json root = {{"violations", ordered_json::array()}, {"undecided", ordered_json::array()}};
    for (const Violation& violation : report.violations) {
        ordered_json one = rule_json(*violation.rule);
        one["field"] = x86::name(violation.field);
        one["value"] = fmt::format("{:#x}", violation.value);
        one["allowed"] = violation.allowed;
        one["consequence"] = consequence(*violation.rule);
        root["violations"].push_back(std::move(one));
    }
    for (const Undecided& undecided : report.undecided) {
        ordered_json one = rule_json(*undecided.rule);
        one["needs"] = undecided.needs;
        root["undecided"].push_back(std::move(one));
    }
    root["first_is_certain"] = report.first_is_certain;
    root["beyond_checks"] = report.beyond_checks;
    return root.dump(2) + "\n";
}

std::string text_checks() {
    std::string text;
    for (const sim::EntryCheckRule& rule : sim::kEntryCheckRules)
        fmt::format_to(std::back_inserter(text), "{:<42} {:<9} {}\n", rule.id, rule.section.number,
                       rule.sentence);
    return text;
}

std::string json_checks() {
    ordered_json list = ordered_json::array();
    for (const sim::EntryCheckRule& rule : sim::kEntryCheckRules) list.push_back(rule_json(rule));
    return list.dump(2) + "\n";
}

}  // namespace vtless::explain
