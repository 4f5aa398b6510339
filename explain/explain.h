// SPDX-License-Identifier: MIT
// Which checks of VM entry the VMCS of a dump violates, on a given processor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "explain/dump.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/entry_check_table.h"

namespace vtless::explain {

struct Violation {
    const sim::EntryCheckRule* rule = nullptr;
    x86::VmcsField field{};
    uint64_t value = 0;
    std::string allowed;
};

// A check that the known fields do not decide.
struct Undecided {
    const sim::EntryCheckRule* rule = nullptr;
    std::vector<std::string> needs;  // what would have to be known
};

struct Report {
    std::vector<Violation> violations;  // in the processor's order
    std::vector<Undecided> undecided;   // in the table's
    // Whether the processor would report violations[0]: no undecided check comes before it.
    bool first_is_certain = true;
    // Controls that are set and that this processor has, but whose own rules are not among the checks.
    std::vector<std::string> beyond_checks;
};

// A check is undecided if trial values of the unknown fields change its outcome: 0, all ones, each bit alone,
// each bit left out, and each pair of bits of a field of at most 32 bits, one field at a time, the other
// unknown ones being 0, all ones or an aligned address. What the processor finds in memory is unknown too.
Report explain(const Dump& dump, const sim::VmxCapabilities& processor = sim::kEngineCapabilities);

// What the processor does on that violation: VMfailValid with a number, or an exit with a reason.
std::string consequence(const sim::EntryCheckRule& rule);

// One violation in several lines, or all of the report.
std::string text_report(const Report& report);
std::string json_report(const Report& report);

// The table of checks.
std::string text_checks();
std::string json_checks();

}  // namespace vtless::explain
