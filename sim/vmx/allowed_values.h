// SPDX-License-Identifier: MIT
// What a field that fails a check of VM entry could hold instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "isa/x86/vmcs_field.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {

// A set of values. All of its conditions must hold.
struct AllowedValues {
    enum class Form : uint8_t { Any, Canonical, Pat, NotByValue };

    uint64_t ones = 0;   // bits that must be 1
    uint64_t zeros = 0;  // bits that must be 0
    uint64_t minimum = 0;
    uint64_t maximum = ~uint64_t{0};
    // Bits part_high:part_low must be a number whose bit in part_values is set.
    unsigned part_high = 0;
    unsigned part_low = 0;
    uint32_t part_values = ~uint32_t{0};
    Form form = Form::Any;  // NotByValue: no value of this field alone is right or wrong
    unsigned linear_bits = 64;
    bool or_all_ones = false;

    bool accepts(uint64_t value) const;
    // A value that is accepted, made from one that is not by changing little; nothing when there is none.
    std::optional<uint64_t> repair(uint64_t value) const;
};

// Of the check that failed, the other fields being as the checker sees them.
AllowedValues allowed_values(const EntryChecker& checker, const EntryFailure& failure);

// In words, for people: "bits 1, 2 and 4 must be 1 (bit 2 is 0)".
std::string describe(const AllowedValues& allowed, x86::VmcsField field, uint64_t value);

// The bits of a mask by the names that they have in the field, where they have one.
std::string describe_bits(x86::VmcsField field, uint64_t mask);

}  // namespace vtless::sim
