// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Checks on Host Control Registers, MSRs, and SSP" (27.2.2), "Checks on Host Segment and
// Descriptor-Table Registers" (27.2.3), "Checks Related to Address-Space Size" (27.2.4).
#include "isa/x86/control_regs.h"
#include "isa/x86/msr.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::ExitControls;

bool require_canonical(EntryChecker& c, CheckId id, F field) {
    return c.require(is_canonical(c.get(field), c.capabilities.linear_bits), id, field);
}

bool check_host_msrs(EntryChecker& c) {
    const ExitControls controls = c.vmcs.exit_controls();
    const bool long_mode = controls.has(ExitControls::HOST_ADDRESS_SPACE_SIZE);
    const bool load_efer = controls.has(ExitControls::LOAD_IA32_EFER);
    const uint64_t efer = c.get(F::HOST_IA32_EFER);
    const uint64_t mode_bits = x86::efer::LMA | x86::efer::LME;
    return require_canonical(c, "host.sysenter_esp.canonical", F::HOST_IA32_SYSENTER_ESP) &&
           require_canonical(c, "host.sysenter_eip.canonical", F::HOST_IA32_SYSENTER_EIP) &&
           c.require(!controls.has(ExitControls::LOAD_IA32_PAT) || x86::is_valid_pat(c.get(F::HOST_IA32_PAT)),
                     "host.pat", F::HOST_IA32_PAT) &&
           c.require(!load_efer || (efer & ~x86::efer::kDefined) == 0, "host.efer.reserved",
                     F::HOST_IA32_EFER) &&
           c.require(!load_efer || (efer & mode_bits) == (long_mode ? mode_bits : 0), "host.efer.mode",
                     F::HOST_IA32_EFER);
}

struct HostSelector {
    F field;
    CheckId id;
};
constexpr HostSelector kSelectors[] = {
    {F::HOST_ES_SELECTOR, "host.es.selector"}, {F::HOST_CS_SELECTOR, "host.cs.selector"},
    {F::HOST_SS_SELECTOR, "host.ss.selector"}, {F::HOST_DS_SELECTOR, "host.ds.selector"},
    {F::HOST_FS_SELECTOR, "host.fs.selector"}, {F::HOST_GS_SELECTOR, "host.gs.selector"},
    {F::HOST_TR_SELECTOR, "host.tr.selector"},
};
constexpr HostSelector kBases[] = {
    {F::HOST_FS_BASE, "host.fs.base"},     {F::HOST_GS_BASE, "host.gs.base"},
    {F::HOST_TR_BASE, "host.tr.base"},     {F::HOST_GDTR_BASE, "host.gdtr.base"},
    {F::HOST_IDTR_BASE, "host.idtr.base"},
};

}  // namespace

bool check_host_registers(EntryChecker& c) {
    return c.require(c.capabilities.cr0_allowed(c.get(F::HOST_CR0)), "host.cr0.fixed", F::HOST_CR0) &&
           c.require(c.capabilities.cr4_allowed(c.get(F::HOST_CR4)), "host.cr4.fixed", F::HOST_CR4) &&
           c.require(c.capabilities.fits_physical_width(c.get(F::HOST_CR3)), "host.cr3.width", F::HOST_CR3) &&
           check_host_msrs(c);
}

bool check_host_segments(EntryChecker& c) {
    for (const auto& [field, id] : kSelectors) {
        if (!c.require((c.get(field) & 7) == 0, id, field)) return false;
    }
    const bool long_mode = c.vmcs.exit_controls().has(ExitControls::HOST_ADDRESS_SPACE_SIZE);
    if (!(c.require(c.get(F::HOST_CS_SELECTOR) != 0, "host.cs.null", F::HOST_CS_SELECTOR) &&
          c.require(c.get(F::HOST_TR_SELECTOR) != 0, "host.tr.null", F::HOST_TR_SELECTOR) &&
          c.require(long_mode || c.get(F::HOST_SS_SELECTOR) != 0, "host.ss.null", F::HOST_SS_SELECTOR))) {
        return false;
    }
    for (const auto& [field, id] : kBases) {
        if (!require_canonical(c, id, field)) return false;
    }
    return true;
}

bool check_host_address_space(EntryChecker& c) {
    const bool long_mode = c.vmcs.exit_controls().has(ExitControls::HOST_ADDRESS_SPACE_SIZE);
    const uint64_t rip = c.get(F::HOST_RIP);
    if (!c.require(long_mode == c.root.ia32e(), "host.address_space_size", F::VM_EXIT_CONTROLS)) return false;
    if (!long_mode) {
        return c.require(!c.ia32e_guest(), "host.ia32e_guest", F::VM_ENTRY_CONTROLS) &&
               c.require((rip >> 32) == 0, "host.rip.width", F::HOST_RIP);
    }
    return c.require((c.get(F::HOST_CR4) & x86::cr4::PAE) != 0, "host.cr4.pae", F::HOST_CR4) &&
           require_canonical(c, "host.rip.canonical", F::HOST_RIP);
}

}  // namespace vtless::sim
