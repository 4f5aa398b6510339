// SPDX-License-Identifier: MIT
// What the sanitizer found, and what it looks for, as text and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sim/sanitizer/sanitizer.h"

namespace vtless::vmm {

// Lines for people; "no misuse found" if there are none.
std::string text_report(const sim::Sanitizer& sanitizer);
nlohmann::ordered_json json_findings(const sim::Sanitizer& sanitizer);

// The same as one line, without its end.
std::string json_text(const sim::Sanitizer& sanitizer);

std::string rules_text();
// One line of JSON.
std::string rules_json();

}  // namespace vtless::vmm
