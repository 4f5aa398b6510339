// SPDX-License-Identifier: MIT
#include "sim/vmx/msr_entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "isa/x86/control_regs.h"
#include "isa/x86/msr.h"
#include "sim/vmx/msr_unit.h"

namespace vtless::sim {
namespace {

using x86::Msr;
using F = x86::VmcsField;

// SDM Vol. 4 "Architectural MSRs" (2.1): written in system-management mode only, which there is not.
bool is_smm_only(Msr msr) {
    return msr == Msr::IA32_SMM_MONITOR_CTL || msr == Msr::IA32_SMRR_PHYSBASE ||
           msr == Msr::IA32_SMRR_PHYSMASK;
}

std::string subject(uint32_t entry, const MsrEntry& content, const char* verb) {
    const char* name = x86::name(static_cast<Msr>(content.index));
    const std::string msr =
        fmt::format("{:#x}{}", content.index, name == nullptr ? "" : fmt::format(" ({})", name));
    return fmt::format("entry {}, which {} MSR {}", entry, verb, msr);
}

// A field whose bits have the names that the MSR's have, or one whose bits have none.
F field_like(Msr msr) {
    switch (msr) {
        case Msr::IA32_EFER:
            return F::GUEST_IA32_EFER;
        case Msr::IA32_DEBUGCTL:
            return F::GUEST_IA32_DEBUGCTL;
        default:
            return F::GUEST_IA32_PAT;
    }
}

const char* base_field(Msr msr) { return msr == Msr::IA32_FS_BASE ? "FS_BASE" : "GS_BASE"; }

AllowedValues values(const MsrEntry& entry, const MsrLoading& loading) {
    AllowedValues allowed = wrmsr_rule(static_cast<Msr>(entry.index), loading.capabilities).values;
    if (static_cast<Msr>(entry.index) != Msr::IA32_EFER || !loading.paging) return allowed;
    (loading.long_mode ? allowed.ones : allowed.zeros) |= x86::efer::LME;
    return allowed;
}

std::string remedy(const MsrLoadFailure& failed, const MsrLoading& loading) {
    const auto msr = static_cast<Msr>(failed.content.index);
    const auto is = [&](CheckId check) { return failed.check.index() == check.index(); };
    if (is("load.msr.segment_base"))
        return fmt::format("no value can be loaded from here: {} of the state area in the VMCS is for it",
                           base_field(msr));
    if (is("load.msr.x2apic") || is("load.msr.smm") || is("load.msr.read_only"))
        return "no value can be loaded: leave the entry out";
    if (is("load.msr.unknown")) return "this processor has no such MSR: leave the entry out";
    if (is("load.msr.reserved"))
        return fmt::format("bits 63:32 of the entry must be 0, and are {:#x}", failed.content.reserved);
    return describe(values(failed.content, loading), field_like(msr), failed.content.value);
}

}  // namespace

std::optional<CheckId> refused_msr_index(const MsrEntry& entry) {
    const auto msr = static_cast<Msr>(entry.index);
    // They are loaded with the segments.
    if (msr == Msr::IA32_FS_BASE || msr == Msr::IA32_GS_BASE) return CheckId("load.msr.segment_base");
    if (x86::is_x2apic(msr)) return CheckId("load.msr.x2apic");
    if (is_smm_only(msr)) return CheckId("load.msr.smm");
    if (entry.reserved != 0) return CheckId("load.msr.reserved");
    return std::nullopt;
}

std::optional<CheckId> refused_msr_entry(const MsrEntry& entry, const MsrLoading& loading) {
    if (const auto check = refused_msr_index(entry)) return check;
    const auto msr = static_cast<Msr>(entry.index);
    const WrmsrRule rule = wrmsr_rule(msr, loading.capabilities);
    if (rule.kind == WrmsrRule::Kind::NoSuchMsr) return CheckId("load.msr.unknown");
    if (rule.kind == WrmsrRule::Kind::ReadOnly) return CheckId("load.msr.read_only");
    if (!rule.values.accepts(entry.value)) return CheckId("load.msr.value");
    if (!values(entry, loading).accepts(entry.value)) return CheckId("load.msr.lme");
    return std::nullopt;
}

std::string describe(const MsrLoadFailure& failed, const MsrLoading& loading) {
    if (failed.check.index() == CheckId("load.msr.memory").index())
        return fmt::format("entry {} is where no memory is", failed.entry);
    if (failed.check.index() == CheckId("load.msr.count").index())
        return fmt::format("entry {} is one too many", failed.entry);
    return fmt::format("{} with {:#x}: {}", subject(failed.entry, failed.content, "loads"),
                       failed.content.value, remedy(failed, loading));
}

std::string describe_unstored(uint32_t entry, const MsrEntry& content) {
    const std::string which = subject(entry, content, "stores");
    if (content.reserved != 0)
        return fmt::format("{}: bits 63:32 of the entry must be 0, and are {:#x}", which, content.reserved);
    if (x86::is_x2apic(static_cast<Msr>(content.index)))
        return which + ": an x2APIC MSR (bits 31:8 of the index 0x8) cannot be stored";
    return which + ": RDMSR refuses it, this processor has no such MSR";
}

}  // namespace vtless::sim
