// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "sim/vmx/advertise.h"
#include "sim/vmx/not_advertised.h"
#include "tests/docs/support_table.h"

namespace vtless::docs {
namespace {

using sim::FeatureWord;
using x86::VmcsField;

struct Word {
    FeatureWord word;
    const char* name;  // in shown_by()
};

constexpr Word kWords[] = {
    {FeatureWord::Pin, "pin"},
    {FeatureWord::Primary, "primary"},
    {FeatureWord::Secondary, "secondary"},
    {FeatureWord::Exit, "exit"},
    {FeatureWord::Entry, "entry"},
    {FeatureWord::Vmfunc, "VM functions"},
    {FeatureWord::EptVpid, "EPT and VPID"},
    {FeatureWord::Basic, "basic"},
    {FeatureWord::Misc, "misc"},
};

// The row that names the item, else the first whose pattern it fits.
std::vector<std::string> tests_of(ItemKind kind, const std::string& item) {
    const ShownBy* found = nullptr;
    for (const ShownBy& each : shown_by()) {
        if (each.kind != kind || !matches(each.item, item)) continue;
        if (found == nullptr || each.item == item) found = &each;
    }
    if (found == nullptr) return {};
    std::istringstream words(found->tests);
    return {std::istream_iterator<std::string>(words), {}};
}

SupportRow row(SupportRow made, const char* why) {
    made.supported = why == nullptr;
    if (why != nullptr) made.why = why;
    if (made.supported) made.tests = tests_of(made.kind, made.item);
    return made;
}

void add_features(std::vector<SupportRow>& rows) {
    for (const Word& word : kWords)
        for (const sim::FeatureName& each : sim::feature_names()) {
            if (each.word != word.word) continue;
            rows.push_back(row({ItemKind::Feature, sim::describe(word.word), std::to_string(each.bit),
                                each.name, fmt::format("{}: {}", word.name, each.name)},
                               each.why));
        }
    for (const sim::MissingControl& each : sim::kMissingControls) {
        const bool tertiary = each.word == VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
        rows.push_back(row({ItemKind::Feature, tertiary ? "tertiary controls" : "secondary VM-exit controls",
                            std::to_string(each.bit), each.name, each.name},
                           each.why));
    }
}

void add_exits(std::vector<SupportRow>& rows) {
    for (const x86::ExitReason reason : x86::all_exit_reasons()) {
        const auto* missing = std::find_if(std::begin(sim::kMissingExits), std::end(sim::kMissingExits),
                                           [&](const auto& each) { return each.reason == reason; });
        const bool there = missing == std::end(sim::kMissingExits);
        rows.push_back(
            row({ItemKind::Exit, "Basic exit reasons", std::to_string(static_cast<unsigned>(reason)),
                 x86::name(reason), x86::name(reason)},
                there ? nullptr : missing->why));
    }
}

// "" is no reason: a control of that name does not exist, or is advertised.
std::string why_missing(const sim::MissingField& field) {
    if (field.control == nullptr) return "there is no TDX";
    for (const sim::FeatureName& each : sim::feature_names())
        if (each.name == std::string_view(field.control) && each.why != nullptr)
            return fmt::format("no \"{}\": {}", each.name, each.why);
    return "";
}

void add_fields(std::vector<SupportRow>& rows) {
    for (const VmcsField field : x86::all_vmcs_fields()) {
        if (x86::access_high(field)) continue;
        const auto* missing = std::find_if(std::begin(sim::kMissingFields), std::end(sim::kMissingFields),
                                           [&](const auto& each) { return each.field == field; });
        const bool there = missing == std::end(sim::kMissingFields);
        const std::string why = there ? "" : why_missing(*missing);
        rows.push_back(row({ItemKind::Field, "VMCS fields", fmt::format("{:04X}H", x86::encoding(field)),
                            x86::name(field), x86::name(field)},
                           there ? nullptr : why.c_str()));
    }
}

}  // namespace

bool matches(std::string_view pattern, std::string_view item) {
    const size_t star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == item;
    const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
    return item.size() >= before.size() + after.size() && item.substr(0, before.size()) == before &&
           item.substr(item.size() - after.size()) == after;
}

std::vector<SupportRow> support_rows() {
    std::vector<SupportRow> rows;
    add_features(rows);
    add_exits(rows);
    add_fields(rows);
    return rows;
}

}  // namespace vtless::docs
