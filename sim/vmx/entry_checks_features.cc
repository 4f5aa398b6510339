// SPDX-License-Identifier: MIT
// What single secondary controls ask of their fields. SDM Vol. 3C "VM-Execution Control Fields" (27.2.1.1).
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::SecondaryControls;

constexpr F kSecondary = F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr uint64_t kEptpSwitching = bit(0);

// Whether the control is 0, or the field is the address of a page.
bool is_page_if(const EntryChecker& c, uint32_t control, F field) {
    const uint64_t address = c.get(field);
    return !c.vmcs.secondary().has(control) ||
           ((address & 0xfff) == 0 && c.capabilities.fits_physical_width(address));
}

bool has_ept_if(const EntryChecker& c, uint32_t control) {
    const SecondaryControls secondary = c.vmcs.secondary();
    return !secondary.has(control) || secondary.has(SecondaryControls::ENABLE_EPT);
}

bool check_vm_functions(EntryChecker& c) {
    if (!c.vmcs.secondary().has(SecondaryControls::ENABLE_VM_FUNCTIONS)) return true;
    const uint64_t functions = c.get(F::VM_FUNCTION_CONTROLS);
    const bool switches = (functions & kEptpSwitching) != 0;
    return c.require((functions & ~c.capabilities.vmfunc) == 0, "controls.vm_functions.reserved",
                     F::VM_FUNCTION_CONTROLS) &&
           c.require(!switches || has_ept_if(c, SecondaryControls::ENABLE_VM_FUNCTIONS),
                     "controls.eptp_switching.needs_ept", kSecondary) &&
           c.require(!switches || is_page_if(c, SecondaryControls::ENABLE_VM_FUNCTIONS, F::EPTP_LIST_ADDRESS),
                     "controls.eptp_list.address", F::EPTP_LIST_ADDRESS);
}

}  // namespace

bool check_secondary_features(EntryChecker& c) {
    using S = SecondaryControls;
    return c.require(!c.vmcs.secondary().has(S::USE_TSC_SCALING) || c.get(F::TSC_MULTIPLIER) != 0,
                     "controls.tsc_multiplier.zero", F::TSC_MULTIPLIER) &&
           c.require(has_ept_if(c, S::ENABLE_PML), "controls.pml.needs_ept", kSecondary) &&
           c.require(is_page_if(c, S::ENABLE_PML, F::PML_ADDRESS), "controls.pml.address", F::PML_ADDRESS) &&
           c.require(has_ept_if(c, S::MODE_BASED_EXECUTE_CONTROL_FOR_EPT),
                     "controls.mode_based_execute.needs_ept", kSecondary) &&
           check_vm_functions(c) &&
           c.require(is_page_if(c, S::VMCS_SHADOWING, F::VMREAD_BITMAP_ADDRESS),
                     "controls.vmread_bitmap.address", F::VMREAD_BITMAP_ADDRESS) &&
           c.require(is_page_if(c, S::VMCS_SHADOWING, F::VMWRITE_BITMAP_ADDRESS),
                     "controls.vmwrite_bitmap.address", F::VMWRITE_BITMAP_ADDRESS) &&
           c.require(is_page_if(c, S::EPT_VIOLATION_VE, F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS),
                     "controls.virtualization_exception.address",
                     F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS);
}

}  // namespace vtless::sim
