// SPDX-License-Identifier: MIT
// What APIC virtualization asks of its fields. SDM Vol. 3C "VM-Execution Control Fields" (27.2.1.1).
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::PrimaryControls;
using x86::SecondaryControls;

constexpr F kSecondary = F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;

bool is_page(const EntryChecker& c, F field) {
    const uint64_t address = c.get(field);
    return (address & 0xfff) == 0 && c.capabilities.fits_physical_width(address);
}

bool check_needs_shadow(EntryChecker& c) {
    const uint32_t secondary = c.vmcs.secondary().raw;
    const bool shadow = c.vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW);
    const auto fine = [&](uint32_t control) { return shadow || (secondary & control) == 0; };
    return c.require(fine(SecondaryControls::VIRTUALIZE_X2APIC_MODE), "controls.x2apic.needs_tpr_shadow",
                     kSecondary) &&
           c.require(fine(SecondaryControls::APIC_REGISTER_VIRTUALIZATION),
                     "controls.apic_registers.needs_tpr_shadow", kSecondary) &&
           c.require(fine(SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY),
                     "controls.virtual_interrupts.needs_tpr_shadow", kSecondary);
}

bool check_posted_interrupts(EntryChecker& c) {
    constexpr F kPin = F::PIN_BASED_VM_EXECUTION_CONTROLS;
    if (!c.vmcs.pin().has(x86::PinControls::PROCESS_POSTED_INTERRUPTS)) return true;
    const uint64_t descriptor = c.get(F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS);
    return c.require(c.vmcs.secondary().has(SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY),
                     "controls.posted_interrupts.needs_virtual_interrupts", kPin) &&
           c.require(c.vmcs.exit_controls().has(x86::ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT),
                     "controls.posted_interrupts.needs_acknowledge", kPin) &&
           c.require((c.get16(F::POSTED_INTERRUPT_NOTIFICATION_VECTOR) & 0xff00) == 0,
                     "controls.posted_interrupts.vector", F::POSTED_INTERRUPT_NOTIFICATION_VECTOR) &&
           c.require((descriptor & 0x3f) == 0 && c.capabilities.fits_physical_width(descriptor),
                     "controls.posted_interrupts.descriptor", F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS);
}

}  // namespace

bool check_apic_controls(EntryChecker& c) {
    const SecondaryControls secondary = c.vmcs.secondary();
    const bool shadow = c.vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW);
    const bool accesses = secondary.has(SecondaryControls::VIRTUALIZE_APIC_ACCESSES);
    return c.require(!shadow || is_page(c, F::VIRTUAL_APIC_ADDRESS), "controls.virtual_apic.address",
                     F::VIRTUAL_APIC_ADDRESS) &&
           check_needs_shadow(c) &&
           c.require(!secondary.has(SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY) ||
                         c.vmcs.pin().has(x86::PinControls::EXTERNAL_INTERRUPT_EXITING),
                     "controls.virtual_interrupts.needs_external_interrupt_exiting", kSecondary) &&
           check_posted_interrupts(c) &&
           c.require(!accesses || !secondary.has(SecondaryControls::VIRTUALIZE_X2APIC_MODE),
                     "controls.x2apic.with_apic_accesses", kSecondary) &&
           c.require(!accesses || is_page(c, F::APIC_ACCESS_ADDRESS), "controls.apic_access.address",
                     F::APIC_ACCESS_ADDRESS);
}

// Of these one depends on memory.
bool check_tpr_threshold(EntryChecker& c) {
    if (!c.vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW) ||
        c.vmcs.secondary().has(SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY))
        return true;
    const uint32_t threshold = c.get32(F::TPR_THRESHOLD);
    const bool above = (threshold & 0xf) > c.virtual_task_priority_class();
    return c.require((threshold & ~0xfu) == 0, "controls.tpr_threshold.reserved", F::TPR_THRESHOLD) &&
           c.require(!above || !depends_on_virtual_apic(c.vmcs), "controls.tpr_threshold.above_vtpr",
                     F::TPR_THRESHOLD);
}

bool depends_on_virtual_apic(const Vmcs& vmcs) {
    constexpr uint32_t kOtherwise =
        SecondaryControls::VIRTUALIZE_APIC_ACCESSES | SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY;
    return vmcs.primary().has(PrimaryControls::USE_TPR_SHADOW) && (vmcs.secondary().raw & kOtherwise) == 0;
}

}  // namespace vtless::sim
