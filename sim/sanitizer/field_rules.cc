// SPDX-License-Identifier: MIT
// Fields that VM entry and VM exit use, and those that a VM exit writes.
// SDM Vol. 3C "Initializing a VMCS" (25.11.3).
#include <fmt/format.h>

#include <array>
#include <span>

#include "sim/sanitizer/vmx_watch.h"

namespace vtless::sim {

using x86::EntryControls;
using x86::ExitControls;
using x86::PinControls;
using x86::PrimaryControls;
using x86::SecondaryControls;
using F = x86::VmcsField;

namespace {

constexpr std::array kAlwaysUsed = {
    F::PIN_BASED_VM_EXECUTION_CONTROLS, F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, F::VM_EXIT_CONTROLS,
    F::VM_ENTRY_CONTROLS, F::EXCEPTION_BITMAP, F::PAGE_FAULT_ERROR_CODE_MASK, F::PAGE_FAULT_ERROR_CODE_MATCH,
    F::CR3_TARGET_COUNT, F::VM_EXIT_MSR_STORE_COUNT, F::VM_EXIT_MSR_LOAD_COUNT, F::VM_ENTRY_MSR_LOAD_COUNT,
    F::VM_ENTRY_INTERRUPTION_INFORMATION, F::CR0_GUEST_HOST_MASK, F::CR4_GUEST_HOST_MASK, F::CR0_READ_SHADOW,
    F::CR4_READ_SHADOW,
    // host
    F::HOST_CR0, F::HOST_CR3, F::HOST_CR4, F::HOST_ES_SELECTOR, F::HOST_CS_SELECTOR, F::HOST_SS_SELECTOR,
    F::HOST_DS_SELECTOR, F::HOST_FS_SELECTOR, F::HOST_GS_SELECTOR, F::HOST_TR_SELECTOR, F::HOST_FS_BASE,
    F::HOST_GS_BASE, F::HOST_TR_BASE, F::HOST_GDTR_BASE, F::HOST_IDTR_BASE, F::HOST_IA32_SYSENTER_CS,
    F::HOST_IA32_SYSENTER_ESP, F::HOST_IA32_SYSENTER_EIP, F::HOST_RSP, F::HOST_RIP,
    // guest
    F::GUEST_CR0, F::GUEST_CR3, F::GUEST_CR4, F::GUEST_RSP, F::GUEST_RIP, F::GUEST_RFLAGS,
    F::GUEST_ES_SELECTOR, F::GUEST_CS_SELECTOR, F::GUEST_SS_SELECTOR, F::GUEST_DS_SELECTOR,
    F::GUEST_FS_SELECTOR, F::GUEST_GS_SELECTOR, F::GUEST_LDTR_SELECTOR, F::GUEST_TR_SELECTOR,
    F::GUEST_ES_ACCESS_RIGHTS, F::GUEST_CS_ACCESS_RIGHTS, F::GUEST_SS_ACCESS_RIGHTS,
    F::GUEST_DS_ACCESS_RIGHTS, F::GUEST_FS_ACCESS_RIGHTS, F::GUEST_GS_ACCESS_RIGHTS,
    F::GUEST_LDTR_ACCESS_RIGHTS, F::GUEST_TR_ACCESS_RIGHTS, F::GUEST_GDTR_BASE, F::GUEST_GDTR_LIMIT,
    F::GUEST_IDTR_BASE, F::GUEST_IDTR_LIMIT, F::GUEST_IA32_SYSENTER_CS, F::GUEST_IA32_SYSENTER_ESP,
    F::GUEST_IA32_SYSENTER_EIP, F::GUEST_ACTIVITY_STATE, F::GUEST_INTERRUPTIBILITY_STATE,
    F::GUEST_PENDING_DEBUG_EXCEPTIONS, F::VMCS_LINK_POINTER};

struct Controls {
    PinControls pin;
    PrimaryControls primary;
    SecondaryControls secondary;
    ExitControls exit;
    EntryControls entry;
};

// Fields that are used only with a control.
struct ConditionalUse {
    F field;
    bool (*used)(const Controls&, const VmxView&);
};

template <uint32_t kBits>
bool by_primary(const Controls& controls, const VmxView&) {
    return controls.primary.has(kBits);
}
template <uint32_t kBits>
bool by_secondary(const Controls& controls, const VmxView&) {
    return controls.secondary.has(kBits);
}
template <uint32_t kBits>
bool by_exit(const Controls& controls, const VmxView&) {
    return controls.exit.has(kBits);
}
template <uint32_t kBits>
bool by_entry(const Controls& controls, const VmxView&) {
    return controls.entry.has(kBits);
}
template <F kCount>
bool by_count(const Controls&, const VmxView& view) {
    return view.read(kCount) != 0;
}
bool by_event(const Controls&, const VmxView& view) {
    const x86::EventInfo event{static_cast<uint32_t>(view.read(F::VM_ENTRY_INTERRUPTION_INFORMATION))};
    return event.valid() && event.has_error_code();
}
bool by_software_event(const Controls&, const VmxView& view) {
    const x86::EventInfo event{static_cast<uint32_t>(view.read(F::VM_ENTRY_INTERRUPTION_INFORMATION))};
    return event.valid() && event.is_software();
}
bool by_timer(const Controls& controls, const VmxView&) {
    return controls.pin.has(PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
}
bool by_tsc_scaling(const Controls& controls, const VmxView&) {
    return controls.primary.has(PrimaryControls::USE_TSC_OFFSETTING) &&
           controls.secondary.has(SecondaryControls::USE_TSC_SCALING);
}
bool by_pae(const Controls& controls, const VmxView& view) {
    return controls.secondary.has(SecondaryControls::ENABLE_EPT) &&
           !controls.entry.has(EntryControls::IA32E_MODE_GUEST) &&
           (view.read(F::GUEST_CR0) & x86::cr0::PG) != 0 && (view.read(F::GUEST_CR4) & x86::cr4::PAE) != 0;
}
// Base and limit of an unusable segment mean nothing, but for FS and GS.
template <F kRights>
bool by_segment(const Controls&, const VmxView& view) {
    return (view.read(kRights) & x86::AccessRights::kUnusable) == 0;
}

constexpr ConditionalUse kConditional[] = {
    {F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
     by_primary<PrimaryControls::ACTIVATE_SECONDARY_CONTROLS>},
    {F::IO_BITMAP_A, by_primary<PrimaryControls::USE_IO_BITMAPS>},
    {F::IO_BITMAP_B, by_primary<PrimaryControls::USE_IO_BITMAPS>},
    {F::MSR_BITMAP, by_primary<PrimaryControls::USE_MSR_BITMAPS>},
    {F::TSC_OFFSET, by_primary<PrimaryControls::USE_TSC_OFFSETTING>},
    {F::TSC_MULTIPLIER, by_tsc_scaling},
    {F::VIRTUAL_APIC_ADDRESS, by_primary<PrimaryControls::USE_TPR_SHADOW>},
    {F::EPT_POINTER, by_secondary<SecondaryControls::ENABLE_EPT>},
    {F::VPID, by_secondary<SecondaryControls::ENABLE_VPID>},
    {F::APIC_ACCESS_ADDRESS, by_secondary<SecondaryControls::VIRTUALIZE_APIC_ACCESSES>},
    {F::PLE_GAP, by_secondary<SecondaryControls::PAUSE_LOOP_EXITING>},
    {F::PLE_WINDOW, by_secondary<SecondaryControls::PAUSE_LOOP_EXITING>},
    {F::VM_FUNCTION_CONTROLS, by_secondary<SecondaryControls::ENABLE_VM_FUNCTIONS>},
    {F::VMREAD_BITMAP_ADDRESS, by_secondary<SecondaryControls::VMCS_SHADOWING>},
    {F::VMWRITE_BITMAP_ADDRESS, by_secondary<SecondaryControls::VMCS_SHADOWING>},
    {F::PML_ADDRESS, by_secondary<SecondaryControls::ENABLE_PML>},
    {F::PML_INDEX, by_secondary<SecondaryControls::ENABLE_PML>},
    {F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, by_secondary<SecondaryControls::EPT_VIOLATION_VE>},
    {F::VMX_PREEMPTION_TIMER_VALUE, by_timer},
    {F::VM_EXIT_MSR_STORE_ADDRESS, by_count<F::VM_EXIT_MSR_STORE_COUNT>},
    {F::VM_EXIT_MSR_LOAD_ADDRESS, by_count<F::VM_EXIT_MSR_LOAD_COUNT>},
    {F::VM_ENTRY_MSR_LOAD_ADDRESS, by_count<F::VM_ENTRY_MSR_LOAD_COUNT>},
    {F::VM_ENTRY_EXCEPTION_ERROR_CODE, by_event},
    {F::VM_ENTRY_INSTRUCTION_LENGTH, by_software_event},
    {F::HOST_IA32_PAT, by_exit<ExitControls::LOAD_IA32_PAT>},
    {F::HOST_IA32_EFER, by_exit<ExitControls::LOAD_IA32_EFER>},
    {F::GUEST_IA32_PAT, by_entry<EntryControls::LOAD_IA32_PAT>},
    {F::GUEST_IA32_EFER, by_entry<EntryControls::LOAD_IA32_EFER>},
    {F::GUEST_DR7, by_entry<EntryControls::LOAD_DEBUG_CONTROLS>},
    {F::GUEST_IA32_DEBUGCTL, by_entry<EntryControls::LOAD_DEBUG_CONTROLS>},
    {F::GUEST_PDPTE0, by_pae},
    {F::GUEST_PDPTE1, by_pae},
    {F::GUEST_PDPTE2, by_pae},
    {F::GUEST_PDPTE3, by_pae},
    {F::GUEST_ES_BASE, by_segment<F::GUEST_ES_ACCESS_RIGHTS>},
    {F::GUEST_ES_LIMIT, by_segment<F::GUEST_ES_ACCESS_RIGHTS>},
    {F::GUEST_CS_BASE, by_segment<F::GUEST_CS_ACCESS_RIGHTS>},
    {F::GUEST_CS_LIMIT, by_segment<F::GUEST_CS_ACCESS_RIGHTS>},
    {F::GUEST_SS_BASE, by_segment<F::GUEST_SS_ACCESS_RIGHTS>},
    {F::GUEST_SS_LIMIT, by_segment<F::GUEST_SS_ACCESS_RIGHTS>},
    {F::GUEST_DS_BASE, by_segment<F::GUEST_DS_ACCESS_RIGHTS>},
    {F::GUEST_DS_LIMIT, by_segment<F::GUEST_DS_ACCESS_RIGHTS>},
    {F::GUEST_FS_BASE, by_segment<F::GUEST_FS_ACCESS_RIGHTS>},
    {F::GUEST_FS_LIMIT, by_segment<F::GUEST_FS_ACCESS_RIGHTS>},
    {F::GUEST_GS_BASE, by_segment<F::GUEST_GS_ACCESS_RIGHTS>},
    {F::GUEST_GS_LIMIT, by_segment<F::GUEST_GS_ACCESS_RIGHTS>},
    {F::GUEST_LDTR_BASE, by_segment<F::GUEST_LDTR_ACCESS_RIGHTS>},
    {F::GUEST_LDTR_LIMIT, by_segment<F::GUEST_LDTR_ACCESS_RIGHTS>},
    {F::GUEST_TR_BASE, by_segment<F::GUEST_TR_ACCESS_RIGHTS>},
    {F::GUEST_TR_LIMIT, by_segment<F::GUEST_TR_ACCESS_RIGHTS>},
};

void set_all(std::bitset<kVmcsSlots>& written, std::span<const F> fields) {
    for (const F field : fields) written.set(vmcs_slot(field));
}

}  // namespace

void VmxWatch::check_uses(const VmxView& view, VmcsRecord& record) {
    record.uses_unchecked = false;
    const Controls controls{view.vmcs->pin(), view.vmcs->primary(), view.vmcs->secondary(),
                            view.vmcs->exit_controls(), view.vmcs->entry_controls()};
    const auto check = [&](F field) {
        if (record.written[vmcs_slot(field)]) return;
        sanitizer_.report(Rule::FieldUsedUnwritten, site(view), {x86::encoding(field), 0},
                          [field] { return fmt::format("Field: {}.", x86::name(field)); });
    };
    for (const F field : kAlwaysUsed) check(field);
    for (const ConditionalUse& use : kConditional) {
        if (vmcs_field_info(use.field).supported && use.used(controls, view)) check(use.field);
    }
}

// SDM Vol. 3C "Recording VM-Exit Information" (28.2), "Saving Guest State" (28.3).
void VmxWatch::note_exit_information(VmcsRecord& record) {
    constexpr std::array kInformation = {F::EXIT_REASON,
                                         F::EXIT_QUALIFICATION,
                                         F::GUEST_LINEAR_ADDRESS,
                                         F::GUEST_PHYSICAL_ADDRESS,
                                         F::VM_EXIT_INTERRUPTION_INFORMATION,
                                         F::VM_EXIT_INTERRUPTION_ERROR_CODE,
                                         F::IDT_VECTORING_INFORMATION,
                                         F::IDT_VECTORING_ERROR_CODE,
                                         F::VM_EXIT_INSTRUCTION_LENGTH,
                                         F::VM_EXIT_INSTRUCTION_INFORMATION};
    set_all(record.written, kInformation);
}

void VmxWatch::note_exit_fields(const VmxView& view, VmcsRecord& record) {
    constexpr std::array kAlways = {F::VM_ENTRY_INTERRUPTION_INFORMATION, F::GUEST_ACTIVITY_STATE,
                                    F::GUEST_PENDING_DEBUG_EXCEPTIONS};
    note_exit_information(record);
    set_all(record.written, kAlways);
    const ExitControls exit = view.vmcs->exit_controls();
    for (unsigned i = 0; i < kLiveFields; ++i) {
        const auto live = static_cast<LiveField>(i);
        if (live == LiveField::EFER && !exit.has(ExitControls::SAVE_IA32_EFER)) continue;
        record.written.set(vmcs_slot(live_field_encoding(live)));
    }
    if (exit.has(ExitControls::SAVE_IA32_PAT)) record.written.set(vmcs_slot(F::GUEST_IA32_PAT));
    if (exit.has(ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE))
        record.written.set(vmcs_slot(F::VMX_PREEMPTION_TIMER_VALUE));
    if (exit.has(ExitControls::SAVE_DEBUG_CONTROLS)) {
        constexpr std::array kDebug = {F::GUEST_DR7, F::GUEST_IA32_DEBUGCTL};
        set_all(record.written, kDebug);
    }
    if (view.mmu.paging_mode() == x86::PagingMode::PAE && view.mmu.ept()) {
        constexpr std::array kPdptes = {F::GUEST_PDPTE0, F::GUEST_PDPTE1, F::GUEST_PDPTE2, F::GUEST_PDPTE3};
        set_all(record.written, kPdptes);
    }
}

}  // namespace vtless::sim
