// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Checks on VMX Controls" (27.2.1).
#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/event_info.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::EntryControls;
using x86::ExitControls;
using x86::PinControls;
using x86::PrimaryControls;
using x86::SecondaryControls;

bool is_page_address(const EntryChecker& c, uint64_t address) {
    return (address & 0xfff) == 0 && c.capabilities.fits_physical_width(address);
}

// An MSR area is ignored when its count is 0; else 16-byte entries, all within the physical-address width.
bool is_msr_area(const EntryChecker& c, uint64_t address, uint64_t count) {
    if (count == 0) return true;
    const uint64_t last = address + count * 16 - 1;
    return (address & 0xf) == 0 && c.capabilities.fits_physical_width(address) &&
           c.capabilities.fits_physical_width(last);
}

bool check_capabilities(EntryChecker& c) {
    const bool secondary = c.vmcs.primary().has(PrimaryControls::ACTIVATE_SECONDARY_CONTROLS);
    return c.require(c.capabilities.pin.accepts(c.vmcs.pin()), "controls.pin.reserved",
                     F::PIN_BASED_VM_EXECUTION_CONTROLS) &&
           c.require(c.capabilities.primary.accepts(c.vmcs.primary()), "controls.primary.reserved",
                     F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS) &&
           c.require(!secondary || c.capabilities.secondary.accepts(c.vmcs.secondary()),
                     "controls.secondary.reserved", F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS);
}

bool check_bitmaps(EntryChecker& c) {
    const bool io = c.vmcs.primary().has(PrimaryControls::USE_IO_BITMAPS);
    const bool msr = c.vmcs.primary().has(PrimaryControls::USE_MSR_BITMAPS);
    return c.require(!io || is_page_address(c, c.get(F::IO_BITMAP_A)), "controls.io_bitmap_a.address",
                     F::IO_BITMAP_A) &&
           c.require(!io || is_page_address(c, c.get(F::IO_BITMAP_B)), "controls.io_bitmap_b.address",
                     F::IO_BITMAP_B) &&
           c.require(!msr || is_page_address(c, c.get(F::MSR_BITMAP)), "controls.msr_bitmap.address",
                     F::MSR_BITMAP);
}

bool check_nmi_controls(EntryChecker& c) {
    const bool virtual_nmis = c.vmcs.pin().has(PinControls::VIRTUAL_NMIS);
    return c.require(!virtual_nmis || c.vmcs.pin().has(PinControls::NMI_EXITING),
                     "controls.virtual_nmis.needs_nmi_exiting", F::PIN_BASED_VM_EXECUTION_CONTROLS) &&
           c.require(virtual_nmis || !c.vmcs.primary().has(PrimaryControls::NMI_WINDOW_EXITING),
                     "controls.nmi_window.needs_virtual_nmis",
                     F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS);
}

using E = x86::EptVpidCapability;

bool memory_type_ok(x86::Eptp eptp, const VmxCapabilities& can) {
    return (eptp.memory_type() == x86::MemoryType::WB && can.ept_vpid.has(E::kWriteBack)) ||
           (eptp.memory_type() == x86::MemoryType::UC && can.ept_vpid.has(E::kUncacheable));
}
bool walk_length_ok(x86::Eptp eptp, const VmxCapabilities& can) {
    return (eptp.walk_length() == 4 && can.ept_vpid.has(E::kWalkLength4)) ||
           (eptp.walk_length() == 5 && can.ept_vpid.has(E::kWalkLength5));
}
bool accessed_dirty_ok(x86::Eptp eptp, const VmxCapabilities& can) {
    return !eptp.accessed_dirty() || can.ept_vpid.has(E::kAccessedDirty);
}
bool reserved_ok(x86::Eptp eptp, const VmxCapabilities& can) {
    return (eptp.raw & bit_range(11, 7)) == 0 && can.fits_physical_width(eptp.raw);
}

bool check_ept_and_vpid(EntryChecker& c) {
    const SecondaryControls secondary = c.vmcs.secondary();
    const bool ept = secondary.has(SecondaryControls::ENABLE_EPT);
    const x86::Eptp eptp{c.get(F::EPT_POINTER)};
    return c.require(!secondary.has(SecondaryControls::ENABLE_VPID) || c.get(F::VPID) != 0,
                     "controls.vpid.zero", F::VPID) &&
           c.require(!ept || memory_type_ok(eptp, c.capabilities), "controls.eptp.memory_type",
                     F::EPT_POINTER) &&
           c.require(!ept || walk_length_ok(eptp, c.capabilities), "controls.eptp.walk_length",
                     F::EPT_POINTER) &&
           c.require(!ept || accessed_dirty_ok(eptp, c.capabilities), "controls.eptp.accessed_dirty",
                     F::EPT_POINTER) &&
           c.require(!ept || reserved_ok(eptp, c.capabilities), "controls.eptp.reserved", F::EPT_POINTER) &&
           c.require(ept || !secondary.has(SecondaryControls::UNRESTRICTED_GUEST),
                     "controls.unrestricted_guest.needs_ept",
                     F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS);
}

}  // namespace

bool is_valid_eptp(x86::Eptp eptp, const VmxCapabilities& can) {
    return memory_type_ok(eptp, can) && walk_length_ok(eptp, can) && accessed_dirty_ok(eptp, can) &&
           reserved_ok(eptp, can);
}

bool check_execution_controls(EntryChecker& c) {
    return check_capabilities(c) &&
           c.require(c.get(F::CR3_TARGET_COUNT) <= c.capabilities.misc.cr3_targets(),
                     "controls.cr3_target_count", F::CR3_TARGET_COUNT) &&
           check_bitmaps(c) && check_apic_controls(c) && check_nmi_controls(c) && check_ept_and_vpid(c) &&
           check_secondary_features(c);
}

bool check_exit_controls(EntryChecker& c) {
    const ExitControls controls = c.vmcs.exit_controls();
    return c.require(c.capabilities.exit.accepts(controls), "controls.exit.reserved", F::VM_EXIT_CONTROLS) &&
           c.require(c.vmcs.pin().has(PinControls::ACTIVATE_VMX_PREEMPTION_TIMER) ||
                         !controls.has(ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE),
                     "controls.exit.save_timer_needs_timer", F::VM_EXIT_CONTROLS) &&
           c.require(is_msr_area(c, c.get(F::VM_EXIT_MSR_STORE_ADDRESS), c.get(F::VM_EXIT_MSR_STORE_COUNT)),
                     "controls.exit.msr_store_area", F::VM_EXIT_MSR_STORE_ADDRESS) &&
           c.require(is_msr_area(c, c.get(F::VM_EXIT_MSR_LOAD_ADDRESS), c.get(F::VM_EXIT_MSR_LOAD_COUNT)),
                     "controls.exit.msr_load_area", F::VM_EXIT_MSR_LOAD_ADDRESS);
}

bool check_entry_controls(EntryChecker& c) {
    return c.require(c.capabilities.entry.accepts(c.vmcs.entry_controls()), "controls.entry.reserved",
                     F::VM_ENTRY_CONTROLS) &&
           c.require(is_msr_area(c, c.get(F::VM_ENTRY_MSR_LOAD_ADDRESS), c.get(F::VM_ENTRY_MSR_LOAD_COUNT)),
                     "controls.entry.msr_load_area", F::VM_ENTRY_MSR_LOAD_ADDRESS);
}

namespace {

bool vector_matches_type(x86::EventInfo info) {
    switch (info.type()) {
        case x86::EventType::NMI:
            return info.vector() == static_cast<uint8_t>(x86::Vector::NMI);
        case x86::EventType::HARDWARE_EXCEPTION:
            return info.vector() <= 31;
        case x86::EventType::OTHER:
            return info.vector() == 0;
        default:
            return true;
    }
}

// Without CET there is no #CP, and vector 21 has no error code. Processors that say so leave it to software
// whether an exception has one.
bool error_code_fits(const EntryChecker& c, x86::EventInfo info) {
    const auto vector = static_cast<x86::Vector>(info.vector());
    const bool protected_mode = !c.unrestricted() || (c.get(F::GUEST_CR0) & x86::cr0::PE) != 0;
    if (!protected_mode || info.type() != x86::EventType::HARDWARE_EXCEPTION) return !info.has_error_code();
    const bool wanted = x86::has_error_code(vector) && vector != x86::Vector::CP;
    return info.has_error_code() == wanted || c.capabilities.basic.has(x86::VmxBasic::kErrorCodeOptional);
}

}  // namespace

bool check_event_injection(EntryChecker& c) {
    const x86::EventInfo info{c.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)};
    if (!info.valid()) return true;
    const auto type = static_cast<unsigned>(info.type());
    const uint64_t length = c.get(F::VM_ENTRY_INSTRUCTION_LENGTH);
    const uint64_t shortest = c.capabilities.misc.has(x86::VmxMisc::kZeroLengthInjection) ? 0 : 1;
    return c.require(type != 1, "injection.type", F::VM_ENTRY_INTERRUPTION_INFORMATION) &&
           c.require(info.type() != x86::EventType::OTHER ||
                         c.capabilities.primary.supports(PrimaryControls::MONITOR_TRAP_FLAG),
                     "injection.type.monitor_trap_flag", F::VM_ENTRY_INTERRUPTION_INFORMATION) &&
           c.require(vector_matches_type(info), "injection.vector", F::VM_ENTRY_INTERRUPTION_INFORMATION) &&
           c.require(error_code_fits(c, info), "injection.error_code_valid",
                     F::VM_ENTRY_INTERRUPTION_INFORMATION) &&
           c.require((info.raw & x86::EventInfo::kEntryReserved) == 0, "injection.reserved",
                     F::VM_ENTRY_INTERRUPTION_INFORMATION) &&
           c.require(!info.has_error_code() || (c.get(F::VM_ENTRY_EXCEPTION_ERROR_CODE) >> 16) == 0,
                     "injection.error_code", F::VM_ENTRY_EXCEPTION_ERROR_CODE) &&
           c.require(!info.is_software() || (length >= shortest && length <= 15),
                     "injection.instruction_length", F::VM_ENTRY_INSTRUCTION_LENGTH);
}

}  // namespace vtless::sim
