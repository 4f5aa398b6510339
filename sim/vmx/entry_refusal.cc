// SPDX-License-Identifier: MIT
#include "sim/vmx/entry_refusal.h"

#include <fmt/format.h>

#include <utility>

#include "sim/vmx/allowed_values.h"

namespace vtless::sim {
namespace {

std::string allowed_text(const EntryFailure& failure, const EntryChecker& checker) {
    return describe(allowed_values(checker, failure), failure.field, failure.value);
}

}  // namespace

std::string citation(const SdmSection& section) {
    return fmt::format("SDM Vol. 3C \"{}\" ({})", section.title, section.number);
}

EntryRefusal::EntryRefusal(std::unique_ptr<Vmcs> vmcs, const EntryFailure& failure,
                           const EntryContext& context, std::string allowed)
    : vmcs_(std::move(vmcs)),
      failure_(failure),
      section_(citation(failure.check.rule().section)),
      allowed_(!allowed.empty() ? std::move(allowed) : allowed_text(failure, EntryChecker(*vmcs_, context))),
      explanation_{id(),          section_.c_str(), failure.check.rule().sentence, x86::name(failure.field),
                   failure.value, allowed_.c_str()} {}

}  // namespace vtless::sim
