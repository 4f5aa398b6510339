// SPDX-License-Identifier: MIT
#include "sim/vmx/guest_state.h"

#include <bit>
#include <utility>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/live_fields.h"

namespace vtless::sim {
namespace {

template <class Visit>
void for_each(LiveMask fields, Visit visit) {
    for (; fields != 0; fields &= fields - 1) visit(static_cast<LiveField>(std::countr_zero(fields)));
}

}  // namespace

uint64_t GuestState::fetch_other(LiveField field) const {
    switch (field) {
        case LiveField::RSP:
            return engine_->gpr(x86::Gpr::RSP);
        case LiveField::INTERRUPTIBILITY:
            return interruptibility();
        default:
            return load_live_field(engine_->state(), field);
    }
}

uint64_t GuestState::read(const Vmcs& vmcs, x86::VmcsField field) const {
    const uint8_t live = vmcs_field_info(field).live;
    return live == kNotLive ? vmcs.get(field) : read(vmcs, static_cast<LiveField>(live));
}

uint64_t GuestState::interruptibility() const {
    namespace blocking = x86::interruptibility;
    const Shadow shadow = engine_->shadow();
    return (shadow == Shadow::Sti ? blocking::BLOCKING_BY_STI : 0) |
           (shadow == Shadow::MovSs ? blocking::BLOCKING_BY_MOV_SS : 0) |
           (nmi_blocked_ ? blocking::BLOCKING_BY_NMI : 0);
}

void GuestState::set_interruptibility(uint64_t value) {
    namespace blocking = x86::interruptibility;
    const Shadow shadow = (value & blocking::BLOCKING_BY_STI) != 0      ? Shadow::Sti
                          : (value & blocking::BLOCKING_BY_MOV_SS) != 0 ? Shadow::MovSs
                                                                        : Shadow::None;
    nmi_blocked_ = (value & blocking::BLOCKING_BY_NMI) != 0;
    if (engine_->shadow() != shadow) engine_->set_shadow(shadow);
}

void GuestState::guest_ran(Vmcs& vmcs) const {
    vmcs.stale = kAllLive;
    if (nmi_blocked_ || engine_->may_have_shadow()) return;
    vmcs.set(x86::VmcsField::GUEST_INTERRUPTIBILITY_STATE, 0);
    vmcs.stale &= ~live_bit(LiveField::INTERRUPTIBILITY);
}

void GuestState::save(Vmcs& vmcs) const {
    for_each(vmcs.stale, [&](LiveField field) { vmcs.set(live_field_encoding(field), read(vmcs, field)); });
    vmcs.stale = 0;
}

void GuestState::release(Vmcs& vmcs) {
    save(vmcs);
    if (resident_ != &vmcs) return;
    vmcs.dirty = kAllLive;
    resident_ = nullptr;
}

// Takes RF out, and then RFLAGS out of the fields to be loaded if nothing else of it has changed.
LiveMask GuestState::load_rflags(const Vmcs& vmcs, LiveMask fields) {
    if ((fields & live_bit(LiveField::RFLAGS)) == 0) return fields;
    const uint64_t value = vmcs.get(x86::VmcsField::GUEST_RFLAGS);
    set_resume_flag((value & x86::rflags::RF) != 0);
    const bool same = engine_->rflags() == (value & ~x86::rflags::RF);
    return same ? fields & ~live_bit(LiveField::RFLAGS) : fields;
}

LiveMask GuestState::load(Vmcs& vmcs) {
    constexpr LiveMask kRip = live_bit(LiveField::RIP);
    // What most hypervisors do at most exits.
    if (resident_ == &vmcs && (vmcs.dirty & ~kRip) == 0) [[likely]] {
        if (vmcs.dirty == kRip) [[likely]]
            engine_->set_rip(vmcs.get(x86::VmcsField::GUEST_RIP));
        return std::exchange(vmcs.dirty, 0);
    }
    if (resident_ != &vmcs) {
        if (resident_ != nullptr) release(*resident_);
        vmcs.dirty = kAllLive;
        resident_ = &vmcs;
    }
    const LiveMask fields = load_rflags(vmcs, vmcs.dirty);
    constexpr LiveMask kWithoutImage =
        live_bit(LiveField::RIP) | live_bit(LiveField::RSP) | live_bit(LiveField::INTERRUPTIBILITY);
    if ((fields & ~kWithoutImage) == 0) {
        if ((fields & live_bit(LiveField::RIP)) != 0) engine_->set_rip(vmcs.get(x86::VmcsField::GUEST_RIP));
        if ((fields & live_bit(LiveField::RSP)) != 0)
            engine_->set_gpr(x86::Gpr::RSP, vmcs.get(x86::VmcsField::GUEST_RSP));
    } else {
        CpuState& cpu = engine_->edit_state();
        for_each(fields & ~live_bit(LiveField::INTERRUPTIBILITY), [&](LiveField field) {
            store_live_field(cpu, field, vmcs.get(live_field_encoding(field)));
        });
    }
    if ((fields & live_bit(LiveField::INTERRUPTIBILITY)) != 0)
        set_interruptibility(vmcs.get(x86::VmcsField::GUEST_INTERRUPTIBILITY_STATE));
    vmcs.dirty = 0;
    return fields;
}

}  // namespace vtless::sim
