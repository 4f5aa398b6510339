// SPDX-License-Identifier: MIT
// A VM entry that failed: which check, in words, and the VMCS that failed it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "isa/entry_explanation.h"
#include "sim/vmx/entry_checks.h"
#include "sim/vmx/msr_entry.h"

namespace vtless::sim {

class EntryRefusal {
  public:
    // vmcs holds all of its fields. msr: of a failure to load MSRs.
    EntryRefusal(std::unique_ptr<Vmcs> vmcs, const EntryFailure& failure, const EntryContext& context,
                 const std::optional<MsrLoadFailure>& msr = std::nullopt);

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
