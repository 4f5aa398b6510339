// SPDX-License-Identifier: MIT
// VMX operation: the current VMCS, and the instructions that do not enter a guest, with every numbered error.
// SDM Vol. 3C "VMX Instruction Reference" (31). The references to operands are by value: instructions that
// run inside the simulator decode to the same calls.
#pragma once

#include <cstdint>

#include "isa/x86/vmcs_field.h"
#include "isa/x86/vmx_status.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/root_state.h"
#include "sim/vmx/vmcs_store.h"

namespace vtless::sim {

// Of a VMCS region's first four bytes; the others are the revision.
inline constexpr uint32_t kShadowIndicator = 1u << 31;

class VmxOperation {
  public:
    // Called with the VMCS that is about to leave the processor or to be copied from, so that guest state
    // that still lives in the engine is saved to it.
    using SaveLiveState = void (*)(void* context, Vmcs& vmcs);

    VmxOperation(HostMemory& memory, RootState& root, const VmxCapabilities& capabilities)
        : memory_(&memory), root_(&root), capabilities_(&capabilities), store_(memory) {}

    void on_save_live_state(SaveLiveState callback, void* context) {
        save_ = callback;
        save_context_ = context;
    }
    // IA32_FEATURE_CONTROL, which VMXON looks at.
    void set_feature_control(uint64_t value) { feature_control_ = value; }
    uint64_t feature_control() const { return feature_control_; }

    bool on() const { return on_; }
    Vmcs* current() const { return current_; }
    // The same, but nullptr while somebody observes: for what has a short cut where nobody does.
    Vmcs* unobserved() const { return unobserved_; }
    void set_observed() {
        observed_ = true;
        unobserved_ = nullptr;
    }

    x86::VmxStatus vmxon(Hpa region);
    // The part of it that does not depend on the operand.
    x86::VmxStatus check_vmxon();
    x86::VmxStatus vmxoff();
    x86::VmxStatus vmclear(Hpa region);
    x86::VmxStatus vmptrld(Hpa region);
    x86::VmxStatus vmptrst(Hpa& region);

    // VMREAD and VMWRITE of a guest in the shadow VMCS at this region, which becomes active.
    x86::VmxStatus read_shadow(Hpa region, x86::VmcsField field, uint64_t& value);
    x86::VmxStatus write_shadow(Hpa region, x86::VmcsField field, uint64_t value);

    // The rules of access: which error, if any, VMREAD and VMWRITE of the field end with.
    x86::VmxStatus check_vmread(x86::VmcsField field);
    x86::VmxStatus check_vmwrite(x86::VmcsField field);

    // VMfailValid with the number in the VM-instruction error field, or VMfailInvalid without a current VMCS.
    x86::VmxStatus fail(x86::VmInstructionError error);
    // What every VMX instruction but VMXON starts with.
    x86::VmxStatus check_in_operation() const;

    // Writes the VMX-abort indicator of the VMCS's region.
    void set_abort_indicator(const Vmcs& vmcs, uint32_t value) {
        store_.set_abort_indicator(vmcs.address(), value);
    }

    bool valid_region(Hpa region) const;

  private:
    Vmcs& activate(Hpa region);
    static x86::VmxStatus fail_in(Vmcs& vmcs, x86::VmInstructionError error);
    bool has_ordinary_or_shadow_header(Hpa region) const;
    static x86::VmxStatus check_readable(Vmcs& vmcs, x86::VmcsField field);
    x86::VmxStatus check_writable(Vmcs& vmcs, x86::VmcsField field) const;
    void set_current(Vmcs* vmcs) {
        current_ = vmcs;
        unobserved_ = observed_ ? nullptr : vmcs;
    }
    void save(Vmcs& vmcs) const {
        if (save_ != nullptr) save_(save_context_, vmcs);
    }

    HostMemory* memory_;
    RootState* root_;
    const VmxCapabilities* capabilities_;
    VmcsStore store_;
    SaveLiveState save_ = nullptr;
    void* save_context_ = nullptr;
    Vmcs* current_ = nullptr;
    Vmcs* unobserved_ = nullptr;
    bool observed_ = false;
    Hpa vmxon_region_;
    uint64_t feature_control_ = 0;
    bool on_ = false;
};

}  // namespace vtless::sim
