// SPDX-License-Identifier: MIT
// What APIC virtualization asks of its fields. SDM Vol. 3C "VM-Execution Control Fields" (27.2.1.1).
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::PrimaryControls;

bool is_page(const EntryChecker& c, F field) {
    const uint64_t address = c.get(field);
    return (address & 0xfff) == 0 && c.capabilities.fits_physical_width(address);
}

}  // namespace

bool check_apic_controls(EntryChecker& c) {
    const bool shadow = c.vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW);
    return c.require(!shadow || is_page(c, F::VIRTUAL_APIC_ADDRESS), "controls.virtual_apic.address",
                     F::VIRTUAL_APIC_ADDRESS);
}

// Of these one depends on memory.
bool check_tpr_threshold(EntryChecker& c) {
    if (!c.vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW)) return true;
    const uint32_t threshold = c.get32(F::TPR_THRESHOLD);
    return c.require((threshold & ~0xfu) == 0, "controls.tpr_threshold.reserved", F::TPR_THRESHOLD) &&
           c.require((threshold & 0xf) <= c.virtual_task_priority_class(),
                     "controls.tpr_threshold.above_vtpr", F::TPR_THRESHOLD);
}

// Whether VM entry has to look at VTPR each time.
bool depends_on_virtual_apic(const Vmcs& vmcs) { return vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW); }

}  // namespace vtless::sim
