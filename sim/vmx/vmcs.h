// SPDX-License-Identifier: MIT
// One VMCS as the processor holds it while it is active. SDM Vol. 3C "Virtual Machine Control Structures"
// (25).
#pragma once

#include <array>
#include <cstdint>

#include "isa/addr.h"
#include "isa/x86/vmx_controls.h"
#include "sim/vmx/vmcs_layout.h"

namespace vtless::sim {

class Vmcs {
  public:
    explicit Vmcs(Hpa address) : address_(address) {}

    Hpa address() const { return address_; }
    // It is data for a guest's VMREAD and VMWRITE, and cannot be entered. SDM Vol. 3C "VMCS Types: Ordinary
    // and Shadow" (25.10).
    bool is_shadow() const { return shadow_; }
    void set_shadow(bool value) { shadow_ = value; }
    bool launched() const { return launched_; }
    void set_launched(bool value) { launched_ = value; }
    // VMXOFF and VMXON have come since it was launched: it can no longer be resumed.
    bool outlived_vmx_operation() const { return outlived_vmx_operation_; }
    void outlive_vmx_operation() { outlived_vmx_operation_ = launched_; }

    // Its data came from a region that VMCLEAR had written; else nothing in it means anything yet.
    bool restored() const { return restored_; }
    void set_restored() { restored_ = true; }

    // The stored value; of a live field only if it is not stale. No access rules: those are VmxOperation's.
    uint64_t get(x86::VmcsField field) const { return data_[vmcs_slot(field)]; }
    uint32_t get32(x86::VmcsField field) const { return static_cast<uint32_t>(get(field)); }
    uint16_t get16(x86::VmcsField field) const { return static_cast<uint16_t>(get(field)); }
    Hpa get_address(x86::VmcsField field) const { return Hpa(get(field)); }
    uint64_t get_slot(unsigned slot) const { return data_[slot]; }
    // Where a stored field is, for as long as the VMCS is active.
    uint64_t* slot(x86::VmcsField field) { return &data_[vmcs_slot(field)]; }
    // The processor's own update: no check becomes necessary.
    void set(x86::VmcsField field, uint64_t value) { data_[vmcs_slot(field)] = value; }
    void set_slot(unsigned slot, uint64_t value) { data_[slot] = value; }

    x86::PinControls pin() const { return {{get32(x86::VmcsField::PIN_BASED_VM_EXECUTION_CONTROLS)}}; }
    x86::PrimaryControls primary() const {
        return {{get32(x86::VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS)}};
    }
    // As if all zero unless the primary controls activate them.
    x86::SecondaryControls secondary() const {
        const bool active = primary().has(x86::PrimaryControls::ACTIVATE_SECONDARY_CONTROLS);
        return {{active ? get32(x86::VmcsField::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS) : 0}};
    }
    x86::ExitControls exit_controls() const { return {{get32(x86::VmcsField::VM_EXIT_CONTROLS)}}; }
    x86::EntryControls entry_controls() const { return {{get32(x86::VmcsField::VM_ENTRY_CONTROLS)}}; }

    // Check groups that the next VM entry has to run.
    CheckGroups unchecked() const { return unchecked_; }
    void mark_unchecked(CheckGroups groups) { unchecked_ = static_cast<CheckGroups>(unchecked_ | groups); }
    // But for some groups, which have to be run each time.
    void mark_checked(x86::SecondaryControls with, CheckGroups always = 0) {
        unchecked_ = always;
        checked_with_ = with;
    }
    // The secondary controls of the last entry whose checks passed.
    x86::SecondaryControls checked_with() const { return checked_with_; }

    // A live field of which the engine has the only copy.
    bool is_stale(LiveField field) const { return (stale & live_bit(field)) != 0; }
    // The new value is here until the next entry.
    void set_live(LiveField live, x86::VmcsField field, uint64_t value) {
        set(field, value);
        stale &= ~live_bit(live);
        dirty |= live_bit(live);
    }

    // Live fields that the engine has and this copy has not, and those written here since the engine last
    // had them. A field is never both.
    LiveMask stale = 0;
    LiveMask dirty = kAllLive;

  private:
    std::array<uint64_t, kVmcsSlots> data_{};
    Hpa address_;
    bool shadow_ = false;
    bool launched_ = false;
    bool outlived_vmx_operation_ = false;
    bool restored_ = false;
    CheckGroups unchecked_ = kAllCheckGroups;
    x86::SecondaryControls checked_with_{};
};

}  // namespace vtless::sim
