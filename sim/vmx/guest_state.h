// SPDX-License-Identifier: MIT
// The guest's registers between VM exit and VM entry: they stay in the engine, and move one at a time, when
// VMREAD or VMWRITE asks. SDM Vol. 3C "Saving Guest State" (28.3), "Loading Guest State" (27.3.2).
#pragma once

#include <cstdint>

#include "isa/x86/rflags.h"
#include "sim/engine/engine.h"
#include "sim/vmx/vmcs.h"

namespace vtless::sim {

class GuestState {
  public:
    explicit GuestState(Engine& engine) : engine_(&engine) {}

    // The current value, wherever it is.
    uint64_t read(const Vmcs& vmcs, LiveField field) const {
        return vmcs.is_stale(field) ? fetch(field) : vmcs.get(live_field_encoding(field));
    }
    // What the engine has, for a field that is stale in the VMCS.
    uint64_t fetch(LiveField field) const {
        if (field == LiveField::RIP) return engine_->rip();
        if (field == LiveField::RFLAGS) return engine_->rflags() | (resume_flag() ? x86::rflags::RF : 0);
        return fetch_other(field);
    }
    // Any guest-state, control or information field.
    uint64_t read(const Vmcs& vmcs, x86::VmcsField field) const;
    // The new value is in the VMCS until the next entry.
    static void write(Vmcs& vmcs, LiveField field, uint64_t value) {
        vmcs.set_live(field, live_field_encoding(field), value);
    }

    // Brings every field of the VMCS up to date.
    void save(Vmcs& vmcs) const;
    // Moves what was written since the exit (all of it when another guest was in the engine) into the engine.
    // Returns which fields those were.
    LiveMask load(Vmcs& vmcs);
    // A guest has run: the engine has the only copy of its fields, but for the one that mostly is 0.
    void guest_ran(Vmcs& vmcs) const;

    // Whether NMIs are blocked: virtual NMIs, if the guest has them. SDM Vol. 3C table 25-3, bit 3.
    bool nmi_blocked() const { return nmi_blocked_; }
    void set_nmi_blocked(bool value) { nmi_blocked_ = value; }

    // RFLAGS.RF, which the engine never has: it knows no breakpoints, and would translate code anew for it.
    // Set by VM entry and IRET, it lasts until an instruction has run.
    bool resume_flag() const { return resume_flag_at_ == engine_->instructions(); }
    void set_resume_flag(bool value) { resume_flag_at_ = value ? engine_->instructions() : Engine::kNever; }

    // Saves the VMCS, and forgets it if the engine has its guest: it is about to go.
    void release(Vmcs& vmcs);

  private:
    uint64_t fetch_other(LiveField field) const;
    LiveMask load_rflags(const Vmcs& vmcs, LiveMask fields);
    uint64_t interruptibility() const;
    void set_interruptibility(uint64_t value);

    Engine* engine_;
    Vmcs* resident_ = nullptr;  // whose guest state the engine has
    bool nmi_blocked_ = false;
    uint64_t resume_flag_at_ = Engine::kNever;  // Engine::instructions() while it is set
};

}  // namespace vtless::sim
