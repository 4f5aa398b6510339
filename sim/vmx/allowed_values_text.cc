// SPDX-License-Identifier: MIT
// AllowedValues for people.
#include <fmt/format.h>

#include <bit>
#include <vector>

#include "isa/x86/vmcs_bits.h"
#include "sim/vmx/allowed_values.h"

namespace vtless::sim {
namespace {

std::string range_text(unsigned high, unsigned low) {
    return high == low ? fmt::format("bit {}", high) : fmt::format("bits {}:{}", high, low);
}

std::string join(const std::vector<std::string>& parts, const char* last) {
    std::string text;
    for (size_t i = 0; i < parts.size(); ++i) {
        if (i != 0) text += i + 1 == parts.size() ? last : ", ";
        text += parts[i];
    }
    return text;
}

// Cuts the lowest run of set bits off mask.
std::string take_run(uint64_t& mask) {
    const auto low = static_cast<unsigned>(std::countr_zero(mask));
    const auto length = static_cast<unsigned>(std::countr_one(mask >> low));
    mask &= ~bit_range(low + length - 1, low);
    return range_text(low + length - 1, low);
}

std::string numbers(uint32_t set) {
    std::vector<std::string> list;
    for (unsigned number = 0; number < 32; ++number) {
        if ((set >> number & 1) != 0) list.push_back(std::to_string(number));
    }
    return list.empty() ? "a number that there is not" : join(list, " or ");
}

std::string part_name(x86::VmcsField field, uint64_t mask, const std::string& fallback) {
    for (const x86::NamedBits& named : x86::named_bits(field)) {
        if (named.mask == mask) return fmt::format("{} ({})", named.name, fallback);
    }
    return fallback;
}

std::string limits(uint64_t minimum, uint64_t maximum) {
    if (minimum == maximum) return fmt::format("it must be {:#x}", minimum);
    if (minimum == 0) return fmt::format("it must be at most {:#x}", maximum);
    if (maximum == ~uint64_t{0}) return fmt::format("it must be at least {:#x}", minimum);
    return fmt::format("it must be from {:#x} to {:#x}", minimum, maximum);
}

// Of a word of flags only what is wrong, of others the rule.
std::string mask_text(x86::VmcsField field, uint64_t mask, uint64_t wrong, unsigned wanted) {
    const uint64_t shown =
        (x86::named_bits(field).empty() ? mask : wrong) & x86::access_mask(x86::full(field));
    return fmt::format("{} must be {}", describe_bits(field, shown), wanted);
}

}  // namespace

std::string describe_bits(x86::VmcsField field, uint64_t mask) {
    std::vector<std::string> parts;
    for (const x86::NamedBits& named : x86::named_bits(field)) {
        if ((mask & named.mask) == 0 || (mask & named.mask) != named.mask) continue;
        const auto low = static_cast<unsigned>(std::countr_zero(named.mask));
        const auto high = static_cast<unsigned>(63 - std::countl_zero(named.mask));
        parts.push_back(fmt::format("{} ({})", named.name, range_text(high, low)));
        mask &= ~named.mask;
    }
    while (mask != 0) parts.push_back(take_run(mask));
    return join(parts, " and ");
}

std::string describe(const AllowedValues& allowed, x86::VmcsField field, uint64_t value) {
    using Form = AllowedValues::Form;
    if (allowed.form == Form::NotByValue) return "what is in memory decides, not the field";
    std::vector<std::string> parts;
    if ((value & allowed.ones) != allowed.ones)
        parts.push_back(mask_text(field, allowed.ones, allowed.ones & ~value, 1));
    if ((value & allowed.zeros) != 0)
        parts.push_back(mask_text(field, allowed.zeros, allowed.zeros & value, 0));
    if (allowed.minimum != 0 || allowed.maximum != ~uint64_t{0})
        parts.push_back(limits(allowed.minimum, allowed.maximum));
    if (allowed.part_values != ~uint32_t{0}) {
        const std::string range = range_text(allowed.part_high, allowed.part_low);
        const uint64_t mask = bit_range(allowed.part_high, allowed.part_low);
        parts.push_back(
            fmt::format("{} must be {}", part_name(field, mask, range), numbers(allowed.part_values)));
    }
    if (allowed.form == Form::Canonical)
        parts.push_back(fmt::format("bits 63:{} must all be equal", allowed.linear_bits - 1));
    if (allowed.form == Form::Pat) parts.emplace_back("each byte must be 0, 1, 4, 5, 6 or 7");
    if (allowed.form == Form::FixedRange) parts.emplace_back("each byte must be 0, 1, 4, 5 or 6");
    if (allowed.or_all_ones) parts.emplace_back("or it must be all ones");
    const auto example = allowed.repair(value);
    const std::string rule = join(parts, "; ");
    return example ? fmt::format("{}; for example {:#x}", rule, *example)
                   : rule + "; no value of this field alone will do";
}

}  // namespace vtless::sim
