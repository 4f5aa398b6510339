// SPDX-License-Identifier: MIT
// Translations that are used although the tables say otherwise now.
#include <fmt/format.h>

#include "isa/x86/ept.h"
#include "sim/sanitizer/vmx_watch.h"

namespace vtless::sim {

namespace {

Rule rule_of(StaleUse::Missing missing) {
    switch (missing) {
        case StaleUse::Missing::Invept:
            return Rule::TlbInvept;
        case StaleUse::Missing::Invvpid:
            return Rule::TlbInvvpid;
        case StaleUse::Missing::Invlpg:
            break;
    }
    return Rule::TlbInvlpg;
}

std::string text(const StaleUse::Mapping& mapping) {
    if (mapping.rights == 0) return "nothing";
    const auto right = [&](uint64_t bit, char letter) { return (mapping.rights & bit) != 0 ? letter : '-'; };
    return fmt::format("host-physical {:#x} ({}{}{})", mapping.hpa.value(), right(x86::ept::READ, 'r'),
                       right(x86::ept::WRITE, 'w'), right(x86::ept::EXECUTE, 'x'));
}

std::string text(const StaleUse& use) {
    constexpr const char* kVerbs[] = {"read", "write", "fetch"};
    std::string linear;
    if (use.has_linear) linear = fmt::format(" for linear address {:#x}", use.gva.value());
    // The page has not been used before: what was cached is more than it.
    const char* by = use.by_structure ? ", by an entry that covers more than this page" : "";
    const std::string how =
        fmt::format("A {}{}, VPID {}{}", kVerbs[static_cast<size_t>(use.access)], linear, use.vpid, by);
    if (use.missing == StaleUse::Missing::Invept)
        return fmt::format("{}: guest-physical {:#x} was cached as {}; EPT now gives {}.", how,
                           use.cached.gpa.value(), text(use.cached), text(use.now));
    if (use.now.rights == 0)
        return fmt::format(
            "{}: cached as guest-physical {:#x}; the guest's tables "
            "now permit no such access.",
            how, use.cached.gpa.value());
    return fmt::format("{}: cached as guest-physical {:#x}; the guest's tables now give {:#x}.", how,
                       use.cached.gpa.value(), use.now.gpa.value());
}

}  // namespace

// Where the guest is cannot be asked while the engine runs it: the site is that of the entry.
void VmxWatch::stale_translation(const VmxView& /*view*/, const StaleUse& use) {
    const uint64_t page =
        use.missing == StaleUse::Missing::Invept ? use.cached.gpa.frame_number() : use.gva.frame_number();
    sanitizer_.report(rule_of(use.missing), entry_.site, {page, use.vpid}, [&use] { return text(use); });
}

}  // namespace vtless::sim
