// SPDX-License-Identifier: MIT
// What a field that fails a check of VM entry could hold instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "isa/addr.h"
#include "isa/bits.h"
#include "isa/x86/msr.h"
#include "isa/x86/vmcs_field.h"

namespace vtless::sim {

class EntryChecker;
struct EntryFailure;

// A set of values. All of its conditions must hold.
struct AllowedValues {
    // Pat, FixedRange: eight memory types, as in IA32_PAT or in a fixed-range MTRR. NotByValue: no value of
    // this field alone is right or wrong.
    enum class Form : uint8_t { Any, Canonical, Pat, FixedRange, NotByValue };

    uint64_t ones = 0;   // bits that must be 1
    uint64_t zeros = 0;  // bits that must be 0
    uint64_t minimum = 0;
    uint64_t maximum = ~uint64_t{0};
    // Bits part_high:part_low must be a number whose bit in part_values is set.
    unsigned part_high = 0;
    unsigned part_low = 0;
    uint32_t part_values = ~uint32_t{0};
    Form form = Form::Any;
    unsigned linear_bits = 64;
    bool or_all_ones = false;

    static constexpr AllowedValues bits(uint64_t ones, uint64_t zeros) {
        AllowedValues allowed;
        allowed.ones = ones;
        allowed.zeros = zeros;
        return allowed;
    }
    static constexpr AllowedValues part(unsigned high, unsigned low, uint32_t values) {
        AllowedValues allowed;
        allowed.part_high = high;
        allowed.part_low = low;
        allowed.part_values = values;
        return allowed;
    }
    static constexpr AllowedValues of_form(Form form, unsigned linear_bits = 64) {
        AllowedValues allowed;
        allowed.form = form;
        allowed.linear_bits = linear_bits;
        return allowed;
    }

    // Inline: WRMSR asks.
    constexpr bool accepts(uint64_t value) const;
    // A value that is accepted, made from one that is not by changing little; nothing when there is none.
    std::optional<uint64_t> repair(uint64_t value) const;
};

constexpr bool AllowedValues::accepts(uint64_t value) const {
    if (or_all_ones && value == ~uint64_t{0}) return true;
    const uint64_t number = (value & bit_range(part_high, part_low)) >> part_low;
    const bool part_ok = part_values == ~uint32_t{0} || (number < 32 && (part_values >> number & 1) != 0);
    if ((value & ones) != ones || (value & zeros) != 0 || value < minimum || value > maximum || !part_ok)
        return false;
    switch (form) {
        case Form::Any:
        case Form::NotByValue:
            return form == Form::Any;
        case Form::Canonical:
            return is_canonical(value, linear_bits);
        case Form::Pat:
            return x86::is_valid_pat(value);
        case Form::FixedRange:
            return x86::is_valid_fixed_range(value);
    }
    return false;
}

// Of the check that failed, the other fields being as the checker sees them.
AllowedValues allowed_values(const EntryChecker& checker, const EntryFailure& failure);

// In words, for people: "bits 1, 2 and 4 must be 1 (bit 2 is 0)".
std::string describe(const AllowedValues& allowed, x86::VmcsField field, uint64_t value);

// The bits of a mask by the names that they have in the field, where they have one.
std::string describe_bits(x86::VmcsField field, uint64_t mask);

}  // namespace vtless::sim
