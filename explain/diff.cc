// SPDX-License-Identifier: MIT
#include "explain/diff.h"

#include <fmt/format.h>

#include <bit>
#include <nlohmann/json.hpp>

#include "isa/x86/vmcs_bits.h"
#include "sim/vmx/allowed_values.h"

namespace vtless::explain {
namespace {

// "type 3 to 11": parts of several bits, which are then no longer in changed.
void add_part_changes(const Difference& difference, uint64_t& changed, std::vector<std::string>& texts) {
    for (const x86::NamedBits& named : x86::named_bits(difference.field)) {
        if (std::has_single_bit(named.mask) || (changed & named.mask) == 0) continue;
        const int low = std::countr_zero(named.mask);
        texts.push_back(fmt::format("{} {:#x} to {:#x}", named.name, (*difference.before & named.mask) >> low,
                                    (*difference.after & named.mask) >> low));
        changed &= ~named.mask;
    }
}

std::vector<std::string> bit_changes(const Difference& difference) {
    if (!difference.before || !difference.after || x86::named_bits(difference.field).empty()) return {};
    uint64_t changed = *difference.before ^ *difference.after;
    std::vector<std::string> texts;
    add_part_changes(difference, changed, texts);
    const uint64_t set = changed & *difference.after;
    const uint64_t cleared = changed & *difference.before;
    if (set != 0) texts.push_back("set " + sim::describe_bits(difference.field, set));
    if (cleared != 0) texts.push_back("cleared " + sim::describe_bits(difference.field, cleared));
    return texts;
}

std::string value_text(const std::optional<uint64_t>& value) {
    return value ? fmt::format("{:#x}", *value) : "unknown";
}

}  // namespace

std::vector<Difference> diff(const Dump& before, const Dump& after) {
    std::vector<Difference> differences;
    for (const x86::VmcsField field : x86::all_vmcs_fields()) {
        const Difference difference{field, before.get(field), after.get(field)};
        if (difference.before != difference.after) differences.push_back(difference);
    }
    return differences;
}

std::string text_diff(const std::vector<Difference>& differences) {
    std::string text;
    for (const Difference& difference : differences) {
        text += fmt::format("{} {} -> {}", x86::name(difference.field), value_text(difference.before),
                            value_text(difference.after));
        for (const std::string& change : bit_changes(difference)) text += "; " + change;
        text += "\n";
    }
    return text;
}

std::string json_diff(const std::vector<Difference>& differences) {
    using nlohmann::ordered_json;
    const auto value = [](const std::optional<uint64_t>& known) {
        return known ? ordered_json(fmt::format("{:#x}", *known)) : ordered_json();
    };
    ordered_json list = ordered_json::array();
    for (const Difference& difference : differences)
        list.push_back({{"field", x86::name(difference.field)},
                        {"before", value(difference.before)},
                        {"after", value(difference.after)},
                        {"changes", bit_changes(difference)}});
    return list.dump(2) + "\n";
}

}  // namespace vtless::explain
