// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Checks on Guest Non-Register State" (27.3.1.5), "Checks on Guest Page-Directory-Pointer-Table
// Entries" (27.3.1.6).
#include "isa/x86/control_regs.h"
#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "isa/x86/segment.h"
#include "sim/vmx/entry_checks.h"
#include "sim/vmx/vmx_operation.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::ActivityState;
using x86::EventInfo;
using x86::EventType;
namespace blocking = x86::interruptibility;

constexpr uint32_t kStiOrMovSs = blocking::BLOCKING_BY_STI | blocking::BLOCKING_BY_MOV_SS;
// Of the entry failure's exit qualification. SDM Vol. 3C "VM-Entry Failures" (27.8).
constexpr uint64_t kQualificationPdpte = 2;
constexpr uint64_t kQualificationLinkPointer = 4;

bool is_supported(ActivityState state, x86::VmxMisc misc) {
    switch (state) {
        case ActivityState::ACTIVE:
            return true;
        case ActivityState::HLT:
            return misc.has(x86::VmxMisc::kActivityHlt);
        case ActivityState::SHUTDOWN:
            return misc.has(x86::VmxMisc::kActivityShutdown);
        case ActivityState::WAIT_FOR_SIPI:
            return misc.has(x86::VmxMisc::kActivityWaitForSipi);
    }
    return false;
}

bool can_be_injected(EventInfo info, ActivityState state) {
    const bool exception = info.type() == EventType::HARDWARE_EXCEPTION;
    const bool debug = exception && info.vector() == static_cast<uint8_t>(x86::Vector::DB);
    const bool machine_check = exception && info.vector() == static_cast<uint8_t>(x86::Vector::MC);
    const bool nmi = info.type() == EventType::NMI;
    switch (state) {
        case ActivityState::ACTIVE:
            return true;
        case ActivityState::HLT:
            return nmi || debug || machine_check || info.type() == EventType::EXTERNAL_INTERRUPT ||
                   info.type() == EventType::OTHER;
        case ActivityState::SHUTDOWN:
            return nmi || machine_check;
        case ActivityState::WAIT_FOR_SIPI:
            return false;
    }
    return true;  // not a state
}

bool check_activity(EntryChecker& c) {
    const auto state = static_cast<ActivityState>(c.get32(F::GUEST_ACTIVITY_STATE));
    const EventInfo info{c.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)};
    const x86::AccessRights ss{c.get32(F::GUEST_SS_ACCESS_RIGHTS)};
    const bool blocking = (c.get32(F::GUEST_INTERRUPTIBILITY_STATE) & kStiOrMovSs) != 0;
    return c.require(is_supported(state, c.capabilities.misc), "guest.activity.unsupported",
                     F::GUEST_ACTIVITY_STATE) &&
           c.require(state != ActivityState::HLT || ss.dpl() == 0, "guest.activity.hlt_dpl",
                     F::GUEST_ACTIVITY_STATE) &&
           c.require(state == ActivityState::ACTIVE || !blocking, "guest.activity.blocking",
                     F::GUEST_ACTIVITY_STATE) &&
           c.require(!info.valid() || can_be_injected(info, state), "guest.activity.injection",
                     F::GUEST_ACTIVITY_STATE);
}

bool check_interruptibility(EntryChecker& c) {
    const uint32_t state = c.get32(F::GUEST_INTERRUPTIBILITY_STATE);
    const EventInfo info{c.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)};
    const bool interrupt = info.valid() && info.type() == EventType::EXTERNAL_INTERRUPT;
    const bool nmi = info.valid() && info.type() == EventType::NMI;
    const bool interrupts_enabled = (c.get(F::GUEST_RFLAGS) & x86::rflags::IF) != 0;
    const bool virtual_nmis = c.vmcs.pin().has(x86::PinControls::VIRTUAL_NMIS);
    constexpr F kField = F::GUEST_INTERRUPTIBILITY_STATE;
    return c.require((state & blocking::kReserved) == 0, "guest.interruptibility.reserved", kField) &&
           c.require((state & kStiOrMovSs) != kStiOrMovSs, "guest.interruptibility.sti_and_mov_ss", kField) &&
           c.require((state & blocking::BLOCKING_BY_STI) == 0 || interrupts_enabled,
                     "guest.interruptibility.sti_without_if", kField) &&
           c.require(!interrupt || (state & kStiOrMovSs) == 0, "guest.interruptibility.interrupt", kField) &&
           c.require(!nmi || (state & blocking::BLOCKING_BY_MOV_SS) == 0, "guest.interruptibility.nmi_mov_ss",
                     kField) &&
           c.require((state & blocking::BLOCKING_BY_SMI) == 0, "guest.interruptibility.smi", kField) &&
           c.require(!nmi || !virtual_nmis || (state & blocking::BLOCKING_BY_NMI) == 0,
                     "guest.interruptibility.virtual_nmi", kField) &&
           c.require((state & blocking::ENCLAVE_INTERRUPTION) == 0, "guest.interruptibility.enclave", kField);
}

// BLD and RTM are features that this processor does not have.
constexpr uint64_t kPendingReserved =
    x86::pending_debug::kReserved | x86::pending_debug::BLD | x86::pending_debug::RTM;

bool check_pending_debug(EntryChecker& c) {
    const uint64_t pending = c.get(F::GUEST_PENDING_DEBUG_EXCEPTIONS);
    if (!c.require((pending & kPendingReserved) == 0, "guest.pending_debug.reserved",
                   F::GUEST_PENDING_DEBUG_EXCEPTIONS))
        return false;
    const bool halted = c.get32(F::GUEST_ACTIVITY_STATE) == static_cast<uint32_t>(ActivityState::HLT);
    if (!halted && (c.get32(F::GUEST_INTERRUPTIBILITY_STATE) & kStiOrMovSs) == 0) return true;
    const bool steps = (c.get(F::GUEST_RFLAGS) & x86::rflags::TF) != 0 &&
                       (c.get(F::GUEST_IA32_DEBUGCTL) & x86::debugctl::BTF) == 0;
    return c.require(((pending & x86::pending_debug::BS) != 0) == steps, "guest.pending_debug.bs",
                     F::GUEST_PENDING_DEBUG_EXCEPTIONS);
}

// It must name another VMCS, if any: with VMCS shadowing a shadow, else an ordinary one.
bool check_link_pointer(EntryChecker& c) {
    const uint64_t link = c.get(F::VMCS_LINK_POINTER);
    if (link == ~uint64_t{0}) return true;
    const bool address_ok = (link & 0xfff) == 0 && c.capabilities.fits_physical_width(link);
    const bool shadow = c.vmcs.secondary().has(x86::SecondaryControls::VMCS_SHADOWING);
    const uint32_t header = c.capabilities.basic.revision() | (shadow ? kShadowIndicator : 0);
    return c.require(address_ok, "guest.link_pointer.address", F::VMCS_LINK_POINTER,
                     kQualificationLinkPointer) &&
           c.require(!address_ok || !c.is_checked_vmcs(Hpa(link)), "guest.link_pointer.current",
                     F::VMCS_LINK_POINTER, kQualificationLinkPointer) &&
           c.require(!address_ok || c.vmcs_header(Hpa(link)) == header, "guest.link_pointer.revision",
                     F::VMCS_LINK_POINTER, kQualificationLinkPointer);
}

}  // namespace

bool check_guest_nonregister(EntryChecker& c) {
    return check_activity(c) && check_interruptibility(c) && check_pending_debug(c) && check_link_pointer(c);
}

bool check_guest_pdptes(EntryChecker& c) {
    const uint64_t reserved = bit_range(2, 1) | bit_range(8, 5) | bit_range(63, c.capabilities.physical_bits);
    constexpr F kFields[] = {F::GUEST_PDPTE0, F::GUEST_PDPTE1, F::GUEST_PDPTE2, F::GUEST_PDPTE3};
    const bool pae_paging = (c.get(F::GUEST_CR0) & x86::cr0::PG) != 0 &&
                            (c.get(F::GUEST_CR4) & x86::cr4::PAE) != 0 && !c.ia32e_guest();
    // Without EPT the PDPTEs come from memory: entry loads and checks them there.
    if (!pae_paging || !c.vmcs.secondary().has(x86::SecondaryControls::ENABLE_EPT)) return true;
    for (const F field : kFields) {
        const uint64_t entry = c.get(field);
        if (!c.require((entry & 1) == 0 || (entry & reserved) == 0, "guest.pdpte.reserved", field,
                       kQualificationPdpte))
            return false;
    }
    return true;
}

}  // namespace vtless::sim
