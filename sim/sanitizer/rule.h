// SPDX-License-Identifier: MIT
// What the sanitizer looks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace vtless::sim {

enum class Rule : uint8_t {
    VmcsLaunchState,
    VmcsTwoProcessors,
    VmcsMemoryReused,
    FieldReadUnwritten,
    FieldUsedUnwritten,
    EventOverwritten,
    EventVectoringIgnored,
    EventLateInterrupt,
    EventLateException,
    ExitNotAdvanced,
    EptReserved,
    TlbInvept,
    TlbInvvpid,
    TlbInvlpg,
};
inline constexpr size_t kRules = 14;

struct RuleInfo {
    Rule rule;
    const char* id;        // stable
    const char* sentence;  // what it reports
    const char* advice;    // what to do about it
    const char* section;   // as the manual is cited
};

// In the order of Rule.
std::span<const RuleInfo, kRules> all_rules();
const RuleInfo& info(Rule rule);
std::optional<Rule> find_rule(std::string_view id);

// A set of rules.
class RuleSet {
  public:
    bool has(Rule rule) const { return (bits_ >> static_cast<unsigned>(rule) & 1) != 0; }
    void add(Rule rule) { bits_ |= uint32_t{1} << static_cast<unsigned>(rule); }

  private:
    uint32_t bits_ = 0;
};

}  // namespace vtless::sim
