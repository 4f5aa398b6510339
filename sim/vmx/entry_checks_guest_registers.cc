// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Checks on Guest Control Registers, Debug Registers, and MSRs" (27.3.1.1), "Checks on Guest
// Descriptor-Table Registers" (27.3.1.3), "Checks on Guest RIP, RFLAGS, and SSP" (27.3.1.4).
#include "isa/x86/control_regs.h"
#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "isa/x86/segment.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::EntryControls;

// None of its features is modelled, but LBR and BTF may be set: they do nothing, as on a processor whose
// last-branch records are never read.
constexpr uint64_t kDebugctlDefined = x86::debugctl::LBR | x86::debugctl::BTF;

bool require_canonical(EntryChecker& c, CheckId id, F field) {
    return c.require(is_canonical(c.get(field), c.capabilities.linear_bits), id, field);
}

bool check_control_registers(EntryChecker& c) {
    const uint64_t cr0 = c.get(F::GUEST_CR0);
    const uint64_t cr4 = c.get(F::GUEST_CR4);
    const uint64_t not_checked = c.unrestricted() ? x86::cr0::PE | x86::cr0::PG : 0;
    const bool paging = (cr0 & x86::cr0::PG) != 0;
    return c.require(c.capabilities.cr0_allowed(cr0, not_checked), "guest.cr0.fixed", F::GUEST_CR0) &&
           c.require(!paging || (cr0 & x86::cr0::PE) != 0, "guest.cr0.pg_without_pe", F::GUEST_CR0) &&
           c.require(c.capabilities.cr4_allowed(cr4), "guest.cr4.fixed", F::GUEST_CR4) &&
           c.require(!c.ia32e_guest() || paging, "guest.cr0.ia32e_without_pg", F::GUEST_CR0) &&
           c.require(!c.ia32e_guest() || (cr4 & x86::cr4::PAE) != 0, "guest.cr4.ia32e_without_pae",
                     F::GUEST_CR4) &&
           c.require(c.capabilities.fits_physical_width(c.get(F::GUEST_CR3)), "guest.cr3.width",
                     F::GUEST_CR3);
}

bool check_debug_controls(EntryChecker& c) {
    if (!c.vmcs.entry_controls().has(EntryControls::LOAD_DEBUG_CONTROLS)) return true;
    return c.require((c.get(F::GUEST_IA32_DEBUGCTL) & ~kDebugctlDefined) == 0, "guest.debugctl.reserved",
                     F::GUEST_IA32_DEBUGCTL) &&
           c.require((c.get(F::GUEST_DR7) >> 32) == 0, "guest.dr7.width", F::GUEST_DR7);
}

bool check_efer(EntryChecker& c) {
    if (!c.vmcs.entry_controls().has(EntryControls::LOAD_IA32_EFER)) return true;
    const uint64_t efer = c.get(F::GUEST_IA32_EFER);
    const bool lma = (efer & x86::efer::LMA) != 0;
    const bool lme = (efer & x86::efer::LME) != 0;
    const bool paging = (c.get(F::GUEST_CR0) & x86::cr0::PG) != 0;
    return c.require((efer & ~x86::efer::kDefined) == 0, "guest.efer.reserved", F::GUEST_IA32_EFER) &&
           c.require(lma == c.ia32e_guest(), "guest.efer.lma", F::GUEST_IA32_EFER) &&
           c.require(!paging || lma == lme, "guest.efer.lme", F::GUEST_IA32_EFER);
}

}  // namespace

bool EntryChecker::v8086_guest() const { return (get(F::GUEST_RFLAGS) & x86::rflags::VM) != 0; }

bool check_guest_registers(EntryChecker& c) {
    const bool load_pat = c.vmcs.entry_controls().has(EntryControls::LOAD_IA32_PAT);
    return check_control_registers(c) && check_debug_controls(c) &&
           require_canonical(c, "guest.sysenter_esp.canonical", F::GUEST_IA32_SYSENTER_ESP) &&
           require_canonical(c, "guest.sysenter_eip.canonical", F::GUEST_IA32_SYSENTER_EIP) &&
           c.require(!load_pat || x86::is_valid_pat(c.get(F::GUEST_IA32_PAT)), "guest.pat",
                     F::GUEST_IA32_PAT) &&
           check_efer(c);
}

bool check_guest_tables(EntryChecker& c) {
    return require_canonical(c, "guest.gdtr.base", F::GUEST_GDTR_BASE) &&
           require_canonical(c, "guest.idtr.base", F::GUEST_IDTR_BASE) &&
           c.require((c.get(F::GUEST_GDTR_LIMIT) >> 16) == 0, "guest.gdtr.limit", F::GUEST_GDTR_LIMIT) &&
           c.require((c.get(F::GUEST_IDTR_LIMIT) >> 16) == 0, "guest.idtr.limit", F::GUEST_IDTR_LIMIT);
}

// Not that RIP is canonical: bit 47 may differ from those above it, and the first fetch is #GP then.
bool check_guest_rip(EntryChecker& c) {
    const x86::AccessRights cs{c.get32(F::GUEST_CS_ACCESS_RIGHTS)};
    const bool code64 = c.ia32e_guest() && cs.long_mode();
    const uint64_t rip = c.get(F::GUEST_RIP);
    const uint64_t rflags = c.get(F::GUEST_RFLAGS);
    const x86::EventInfo info{c.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)};
    const bool injects_interrupt = info.valid() && info.type() == x86::EventType::EXTERNAL_INTERRUPT;
    const bool protected_mode = (c.get(F::GUEST_CR0) & x86::cr0::PE) != 0;
    return c.require(code64 || (rip >> 32) == 0, "guest.rip.width", F::GUEST_RIP) &&
           c.require(!code64 || is_canonical(rip, c.capabilities.linear_bits + 1), "guest.rip.canonical",
                     F::GUEST_RIP) &&
           c.require((rflags & x86::rflags::kReserved) == 0 && (rflags & x86::rflags::kFixed1) != 0,
                     "guest.rflags.reserved", F::GUEST_RFLAGS) &&
           c.require(!c.v8086_guest() || (!c.ia32e_guest() && protected_mode), "guest.rflags.vm",
                     F::GUEST_RFLAGS) &&
           c.require(!injects_interrupt || (rflags & x86::rflags::IF) != 0, "guest.rflags.if",
                     F::GUEST_RFLAGS);
}

}  // namespace vtless::sim
