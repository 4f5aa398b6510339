// SPDX-License-Identifier: MIT
// SDM Vol. 3C "VM Exits" (28).
#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/vmx_processor.h"

namespace vtless::sim {

using x86::EntryControls;
using x86::ExitControls;
using x86::SegmentRegister;
using F = x86::VmcsField;

void VmxProcessor::leave(Vmcs& vmcs, const ExitRecord& record) {
    record_exit(vmcs, record);
    save_guest(vmcs, record);
    engine_->add_cycles(engine_->transition_costs().vm_exit);
    if (vmcs.get32(F::VM_EXIT_MSR_STORE_COUNT) != 0) [[unlikely]] {
        if (!store_exit_msrs(vmcs)) return;
    }
    load_host(vmcs);
}

// "Recording VM-Exit Information and Updating VM-Entry Control Fields" (28.2).
void VmxProcessor::record_exit(Vmcs& vmcs, const ExitRecord& record) {
    vmcs.set(F::EXIT_REASON, record.reason);
    vmcs.set(F::EXIT_QUALIFICATION, record.qualification);
    vmcs.set(F::GUEST_LINEAR_ADDRESS, record.guest_linear);
    vmcs.set(F::GUEST_PHYSICAL_ADDRESS, record.guest_physical);
    vmcs.set(F::VM_EXIT_INTERRUPTION_INFORMATION, record.interruption.raw);
    vmcs.set(F::VM_EXIT_INTERRUPTION_ERROR_CODE, record.interruption_error_code);
    vmcs.set(F::IDT_VECTORING_INFORMATION, record.idt_vectoring.raw);
    vmcs.set(F::IDT_VECTORING_ERROR_CODE, record.idt_vectoring_error_code);
    vmcs.set(F::VM_EXIT_INSTRUCTION_LENGTH, record.instruction_length);
    vmcs.set(F::VM_EXIT_INSTRUCTION_INFORMATION, record.instruction_information);
    const uint32_t injected = vmcs.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION);
    vmcs.set(F::VM_ENTRY_INTERRUPTION_INFORMATION, injected & ~x86::EventInfo::kValid);
    // IA-32e mode guest becomes the value of IA32_EFER.LMA.
    if (!capabilities_.misc.has(x86::VmxMisc::kStoresLmaToEntryControls)) return;
    const EntryControls entry = vmcs.entry_controls();
    const bool lma = (mmu_->paging().efer & x86::efer::LMA) != 0;
    vmcs.set(F::VM_ENTRY_CONTROLS, (lma ? entry.with(EntryControls::IA32E_MODE_GUEST)
                                        : entry.without(EntryControls::IA32E_MODE_GUEST))
                                       .raw);
}

// "Saving Guest State" (28.3). What the engine holds stays there until it is asked for.
void VmxProcessor::save_guest(Vmcs& vmcs, const ExitRecord& record) {
    const ExitControls controls = vmcs.exit_controls();
    guest_.guest_ran(vmcs);
    if (!controls.has(ExitControls::SAVE_IA32_EFER)) [[unlikely]] {
        // The field keeps its value, and the next entry loads that.
        vmcs.stale &= ~live_bit(LiveField::EFER);
        vmcs.dirty |= live_bit(LiveField::EFER);
    }
    if (record.resume_flag != ResumeFlag::Kept) guest_.set_resume_flag(record.resume_flag == ResumeFlag::Set);
    const NonRegisterState& state = non_root_.state();
    vmcs.set(F::GUEST_ACTIVITY_STATE, static_cast<uint32_t>(state.activity));
    vmcs.set(F::GUEST_PENDING_DEBUG_EXCEPTIONS, state.pending_debug);
    if (controls.has(ExitControls::SAVE_DEBUG_CONTROLS)) {
        vmcs.set(F::GUEST_DR7, root_.dr7);
        vmcs.set(F::GUEST_IA32_DEBUGCTL, root_.debugctl);
    }
    if (controls.has(ExitControls::SAVE_IA32_PAT)) vmcs.set(F::GUEST_IA32_PAT, root_.pat);
    if (controls.has(ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE)) {
        const unsigned shift = capabilities_.misc.preemption_timer_shift();
        const uint64_t now = msrs_.tsc() >> shift;
        const uint64_t end = state.preemption_deadline >> shift;
        vmcs.set(F::VMX_PREEMPTION_TIMER_VALUE, end > now ? end - now : 0);
    }
    // Undefined with any other paging.
    if (mmu_->paging_mode() == x86::PagingMode::PAE &&
        vmcs.secondary().has(x86::SecondaryControls::ENABLE_EPT)) [[unlikely]] {
        const auto& pdptes = mmu_->paging().pdptes;
        vmcs.set(F::GUEST_PDPTE0, pdptes[0]);
        vmcs.set(F::GUEST_PDPTE1, pdptes[1]);
        vmcs.set(F::GUEST_PDPTE2, pdptes[2]);
        vmcs.set(F::GUEST_PDPTE3, pdptes[3]);
    }
}

// "Loading Host State" (28.5). A hypervisor that has changed nothing gets what is there already.
void VmxProcessor::load_host(const Vmcs& vmcs) {
    const ExitControls controls = vmcs.exit_controls();
    root_.dr7 = x86::dr7::kReset;
    root_.debugctl = 0;
    if (controls.has(ExitControls::LOAD_IA32_PAT)) root_.pat = vmcs.get(F::HOST_IA32_PAT);
    if (!host_is_loaded(vmcs)) [[unlikely]]
        load_host_registers(vmcs);
    if (vmcs.get32(F::VM_EXIT_MSR_LOAD_COUNT) != 0) [[unlikely]]
        load_exit_msrs(vmcs);
}

// Without its control IA32_EFER keeps bits of the guest's.
bool VmxProcessor::host_is_loaded(const Vmcs& vmcs) const {
    return host_from_ == &vmcs && vmcs.exit_controls().has(ExitControls::LOAD_IA32_EFER);
}

// CR0: ET, CD, NW and the reserved bits are not modified. The host is a 64-bit one: VM entry refuses another.
void VmxProcessor::load_host_registers(const Vmcs& vmcs) {
    constexpr uint64_t kCr0Kept = x86::cr0::ET | x86::cr0::CD | x86::cr0::NW;
    constexpr uint64_t kMode = x86::efer::LMA | x86::efer::LME;
    const ExitControls controls = vmcs.exit_controls();
    root_.cr0 = (vmcs.get(F::HOST_CR0) & ~kCr0Kept) | (root_.cr0 & kCr0Kept);
    root_.cr3 = vmcs.get(F::HOST_CR3);
    root_.cr4 = vmcs.get(F::HOST_CR4) | x86::cr4::PAE;
    root_.sysenter_cs = vmcs.get(F::HOST_IA32_SYSENTER_CS);
    root_.sysenter_esp = vmcs.get(F::HOST_IA32_SYSENTER_ESP);
    root_.sysenter_eip = vmcs.get(F::HOST_IA32_SYSENTER_EIP);
    root_.efer = controls.has(ExitControls::LOAD_IA32_EFER) ? vmcs.get(F::HOST_IA32_EFER)
                                                            : mmu_->paging().efer | kMode;
    load_host_segments(vmcs);
    root_.rip = vmcs.get(F::HOST_RIP);
    root_.rsp = vmcs.get(F::HOST_RSP);
    root_.rflags = x86::rflags::kFixed1;
    host_from_ = &vmcs;
}

// "Loading Host Segment and Descriptor-Table Registers" (28.5.2): flat segments, TR a busy TSS of 0x67 bytes,
// no LDT, table limits 0xffff.
void VmxProcessor::load_host_segments(const Vmcs& vmcs) {
    constexpr uint32_t kFlat = 0xffffffff;
    constexpr x86::AccessRights kCode64{0xa09b};
    constexpr x86::AccessRights kData{0xc093};
    constexpr x86::AccessRights kTss{0x8b};
    constexpr x86::AccessRights kUnusable{x86::AccessRights::kUnusable};
    const auto data = [&](F selector, uint64_t base) -> x86::Segment {
        const uint16_t value = vmcs.get16(selector);
        return {value, base, kFlat, value == 0 ? kUnusable : kData};
    };
    root_.segment(SegmentRegister::CS) = {vmcs.get16(F::HOST_CS_SELECTOR), 0, kFlat, kCode64};
    root_.segment(SegmentRegister::SS) = data(F::HOST_SS_SELECTOR, 0);
    root_.segment(SegmentRegister::DS) = data(F::HOST_DS_SELECTOR, 0);
    root_.segment(SegmentRegister::ES) = data(F::HOST_ES_SELECTOR, 0);
    root_.segment(SegmentRegister::FS) = data(F::HOST_FS_SELECTOR, vmcs.get(F::HOST_FS_BASE));
    root_.segment(SegmentRegister::GS) = data(F::HOST_GS_SELECTOR, vmcs.get(F::HOST_GS_BASE));
    root_.segment(SegmentRegister::TR) = {vmcs.get16(F::HOST_TR_SELECTOR), vmcs.get(F::HOST_TR_BASE), 0x67,
                                          kTss};
    root_.segment(SegmentRegister::LDTR) = {0, 0, 0, kUnusable};
    root_.gdtr = {vmcs.get(F::HOST_GDTR_BASE), 0xffff};
    root_.idtr = {vmcs.get(F::HOST_IDTR_BASE), 0xffff};
}

}  // namespace vtless::sim
