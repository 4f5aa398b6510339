// SPDX-License-Identifier: MIT
// The VMCS of a vCPU that has not run yet.
#pragma once

#include "vcpu/vmx/control_regs.h"
#include "vcpu/vmx/setup_controls.h"

namespace vtless::vmx {

// Parts of a GuestEntryState that set-up itself refuses; the rest is for the processor's own checks.
enum class EntryStatePart : uint32_t { Cr0 = 0, Cr4 = 4, Efer = 5, Pat = 6 };

namespace setup_detail {

inline Unexpected<VCpuError> bad_entry_state(EntryStatePart part) {
    return fail_with(VCpuErrc::InvalidInput, Failure::EntryState, static_cast<uint32_t>(part));
}

inline Result<void> check_entry_state(const Features& features, const GuestEntryState& state) {
    using namespace x86;
    const bool paging = (state.cr0 & cr0::PG) != 0;
    const bool long_mode = (state.efer & efer::LME) != 0 && paging;
    if ((state.cr0 & ~features.cr0_fixed1) != 0 || (paging && (state.cr0 & cr0::PE) == 0))
        return bad_entry_state(EntryStatePart::Cr0);
    if ((state.cr4 & (~features.cr4_fixed1 | kHiddenCr4)) != 0) return bad_entry_state(EntryStatePart::Cr4);
    if (((state.efer & efer::LMA) != 0) != long_mode) return bad_entry_state(EntryStatePart::Efer);
    if (!is_valid_pat(state.pat)) return bad_entry_state(EntryStatePart::Pat);
    return {};
}

template <class Hw>
void write_controls(Core<Hw>& core) {
    using x86::VmcsField;
    Vmcs<Hw>& vmcs = core.vmcs;
    const Controls& controls = core.controls;
    vmcs.write(VmcsField::PIN_BASED_VM_EXECUTION_CONTROLS, controls.pin.raw);
    vmcs.write(VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, controls.primary.raw);
    vmcs.write(VmcsField::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, controls.secondary.raw);
    vmcs.write(VmcsField::VM_EXIT_CONTROLS, controls.exit.raw);
    vmcs.write(VmcsField::VM_ENTRY_CONTROLS, controls.entry.raw);
    vmcs.write(VmcsField::EXCEPTION_BITMAP, core.config.exception_bitmap);
    for (VmcsField zero :
         {VmcsField::PAGE_FAULT_ERROR_CODE_MASK, VmcsField::PAGE_FAULT_ERROR_CODE_MATCH,
          VmcsField::CR3_TARGET_COUNT, VmcsField::VM_EXIT_MSR_STORE_COUNT, VmcsField::VM_EXIT_MSR_LOAD_COUNT,
          VmcsField::VM_ENTRY_MSR_LOAD_COUNT, VmcsField::VM_ENTRY_INTERRUPTION_INFORMATION})
        vmcs.write(zero, 0);
    vmcs.write(VmcsField::CR0_GUEST_HOST_MASK, cr0_host_mask(core.features));
    vmcs.write(VmcsField::CR4_GUEST_HOST_MASK, cr4_host_mask(core.features));
}

template <class Hw>
void write_optional_controls(Core<Hw>& core) {
    using S = x86::SecondaryControls;
    using x86::VmcsField;
    Vmcs<Hw>& vmcs = core.vmcs;
    if (core.controls.primary.has(x86::PrimaryControls::USE_TSC_OFFSETTING))
        vmcs.write(VmcsField::TSC_OFFSET, core.config.tsc_offset);
    if (core.controls.pin.has(x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER))
        vmcs.write(VmcsField::VMX_PREEMPTION_TIMER_VALUE, core.config.preemption_timer.ticks);
    if (core.has(S::ENABLE_VPID)) vmcs.write(VmcsField::VPID, core.vpid);
    if (core.has(S::ENABLE_XSAVES_XRSTORS)) vmcs.write(VmcsField::XSS_EXITING_BITMAP, 0);
    if (core.has(S::VIRTUALIZE_APIC_ACCESSES))
        vmcs.write(VmcsField::APIC_ACCESS_ADDRESS, core.config.apic_access_page->value());
}

template <class Hw>
void write_addresses(Core<Hw>& core) {
    using x86::VmcsField;
    core.vmcs.write(VmcsField::MSR_BITMAP, core.frames.address(kMsrBitmapFrame).value());
    core.vmcs.write(VmcsField::IO_BITMAP_A, core.frames.address(kIoBitmapAFrame).value());
    core.vmcs.write(VmcsField::IO_BITMAP_B, core.frames.address(kIoBitmapBFrame).value());
    core.vmcs.write(VmcsField::EPT_POINTER, core.eptp.raw);
    core.vmcs.write(VmcsField::VMCS_LINK_POINTER, ~uint64_t{0});
    core.vmcs.write(VmcsField::HOST_RSP, 0);
    core.vmcs.write(VmcsField::HOST_RIP, 0);
}

template <class Hw>
void write_guest_registers(Core<Hw>& core, const GuestEntryState& state) {
    using x86::VmcsField;
    Vmcs<Hw>& vmcs = core.vmcs;
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i)
        vmcs.set_segment(static_cast<x86::SegmentRegister>(i), state.segments[i]);
    vmcs.write(VmcsField::GUEST_GDTR_BASE, state.gdtr.base);
    vmcs.write(VmcsField::GUEST_GDTR_LIMIT, state.gdtr.limit);
    vmcs.write(VmcsField::GUEST_IDTR_BASE, state.idtr.base);
    vmcs.write(VmcsField::GUEST_IDTR_LIMIT, state.idtr.limit);
    store_cr0(core, state.cr0);
    store_cr4(core, state.cr4);
    vmcs.write(VmcsField::GUEST_CR3, state.cr3);
    vmcs.write(VmcsField::GUEST_IA32_EFER, state.efer);
    if (switches_pat(core.controls)) vmcs.write(VmcsField::GUEST_IA32_PAT, state.pat);
    vmcs.write(VmcsField::GUEST_DR7, state.dr7);
    vmcs.write(VmcsField::GUEST_RFLAGS, state.rflags | x86::rflags::kFixed1);
    vmcs.write(VmcsField::GUEST_RIP, core.entry.value() - state.segment(x86::SegmentRegister::CS).base);
    for (VmcsField zero : {VmcsField::GUEST_IA32_DEBUGCTL, VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS,
                           VmcsField::GUEST_INTERRUPTIBILITY_STATE, VmcsField::GUEST_ACTIVITY_STATE,
                           VmcsField::GUEST_IA32_SYSENTER_CS, VmcsField::GUEST_IA32_SYSENTER_ESP,
                           VmcsField::GUEST_IA32_SYSENTER_EIP, VmcsField::GUEST_PDPTE0,
                           VmcsField::GUEST_PDPTE1, VmcsField::GUEST_PDPTE2, VmcsField::GUEST_PDPTE3})
        vmcs.write(zero, 0);
}

// RSP is a field; the others are the processor's register file.
template <class Hw>
void set_gprs(Core<Hw>& core, const GuestEntryState& state) {
    for (unsigned i = 0; i < x86::kGprCount; ++i) core.set_gpr(static_cast<x86::Gpr>(i), state.gprs[i]);
}

}  // namespace setup_detail

// Everything that stays, and the guest's first state. The VMCS is current and clear.
template <class Hw>
Result<void> write_vmcs(Core<Hw>& core) {
    using namespace setup_detail;
    const GuestEntryState& state = core.config.entry_state;
    if (const auto good = check_entry_state(core.features, state); !good) return good;
    write_controls(core);
    write_optional_controls(core);
    write_addresses(core);
    write_guest_registers(core, state);
    set_gprs(core, state);
    const bool pae = x86::paging_mode(state.cr0, state.cr4, state.efer) == x86::PagingMode::PAE;
    if (pae && !load_pdptes(core, state.cr3)) return bad_entry_state(EntryStatePart::Cr0);
    return core.vmcs.take_failure();
}

}  // namespace vtless::vmx
