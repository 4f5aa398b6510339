// SPDX-License-Identifier: MIT
// The seam for whoever looks on while a processor executes VMX instructions, VM entries and VM exits.
#pragma once

#include <cstdint>

#include "isa/addr.h"
#include "isa/x86/event_info.h"
#include "isa/x86/vmcs_field.h"
#include "isa/x86/vmx_status.h"
#include "sim/engine/engine.h"
#include "sim/mmu/mmu.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/guest_state.h"
#include "sim/vmx/vmcs.h"

namespace vtless::sim {

// What an observer may look at.
struct VmxView {
    const Vmcs* vmcs;  // current, or nullptr
    const GuestState& guest;
    const Engine& engine;
    const HostMemory& memory;
    const Mmu& mmu;
    const VmxCapabilities& capabilities;

    // Of the current VMCS, wherever the value is.
    uint64_t read(x86::VmcsField field) const { return guest.read(*vmcs, field); }
};

// Each call comes only for an instruction that has passed the checks of its operands, or will. An observer
// changes nothing that software can see.
class VmxObserver {
  public:
    VmxObserver() = default;
    VmxObserver(const VmxObserver&) = delete;
    VmxObserver& operator=(const VmxObserver&) = delete;
    virtual ~VmxObserver() = default;

    virtual void before_vmxoff(const VmxView& view) = 0;
    virtual void before_vmclear(const VmxView& view, Hpa region) = 0;
    virtual void after_vmptrld(const VmxView& view) = 0;
    virtual void vmread(const VmxView& view, x86::VmcsField field) = 0;
    virtual void before_vmwrite(const VmxView& view, x86::VmcsField field, uint64_t value) = 0;
    // A VMCS is current. after_entry comes when VMLAUNCH or VMRESUME has failed, or a VM exit has come.
    virtual void before_entry(const VmxView& view, bool launch) = 0;
    virtual void after_entry(const VmxView& view, x86::VmxStatus status) = 0;
    // While a guest runs, or root code in machine mode.
    virtual void stale_translation(const VmxView& view, const StaleUse& use) = 0;
    // A backend says that it keeps this event for the guest of the VMCS until it can be injected.
    virtual void event_queued(Hpa vmcs, x86::EventInfo event) = 0;
};

}  // namespace vtless::sim
