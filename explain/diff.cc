// SPDX-License-Identifier: MIT
#include "explain/diff.h"

#include <fmt/format.h>

#include <bit>

#include "isa/x86/vmcs_bits.h"
#include "sim/vmx/allowed_values.h"

namespace vtless::explain {
namespace {

// "; type 3 to 11": parts of several bits, which are then no longer in changed.
std::string part_changes(const Difference& difference, uint64_t& changed) {
    std::string text;
    for (const x86::NamedBits& named : x86::named_bits(difference.field)) {
        if (std::has_single_bit(named.mask) || (changed & named.mask) == 0) continue;
        const int low = std::countr_zero(named.mask);
        fmt::format_to(std::back_inserter(text), "; {} {:#x} to {:#x}", named.name,
                       (*difference.before & named.mask) >> low, (*difference.after & named.mask) >> low);
        changed &= ~named.mask;
    }
    return text;
}

std::string bit_changes(const Difference& difference) {
    if (!difference.before || !difference.after || x86::named_bits(difference.field).empty()) return "";
    uint64_t changed = *difference.before ^ *difference.after;
    std::string text = part_changes(difference, changed);
    const uint64_t set = changed & *difference.after;
    const uint64_t cleared = changed & *difference.before;
    if (set != 0) text += "; set " + sim::describe_bits(difference.field, set);
    if (cleared != 0) text += "; cleared " + sim::describe_bits(difference.field, cleared);
    return text;
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
        fmt::format_to(std::back_inserter(text), "{} {} -> {}{}\n", x86::name(difference.field),
                       value_text(difference.before), value_text(difference.after), bit_changes(difference));
    }
    return text;
}

}  // namespace vtless::explain
