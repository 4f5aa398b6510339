// SPDX-License-Identifier: MIT
// A VM entry that failed: which check, in words, and the VMCS that failed it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "isa/entry_explanation.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {

class EntryRefusal {
  public:
    // vmcs holds all of its fields. allowed: where it is not the field's value that is wrong.
    EntryRefusal(std::unique_ptr<Vmcs> vmcs, const EntryFailure& failure, const EntryContext& context,
                 std::string allowed = {});

    const char* id() const { return failure_.id(); }
    const EntryFailure& failure() const { return failure_; }
    const EntryExplanation& explanation() const { return explanation_; }
    const Vmcs& vmcs() const { return *vmcs_; }

  private:
    std::unique_ptr<Vmcs> vmcs_;
    EntryFailure failure_;
    std::string section_;
    std::string allowed_;
    EntryExplanation explanation_;
};

// As the manual is cited: SDM Vol. 3C "Title" (number).
std::string citation(const SdmSection& section);

}  // namespace vtless::sim
