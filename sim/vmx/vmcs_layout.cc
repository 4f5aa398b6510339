// SPDX-License-Identifier: MIT
#include "sim/vmx/vmcs_layout.h"

#include <algorithm>
#include <iterator>

#include "isa/x86/registers.h"
#include "sim/vmx/not_advertised.h"

namespace vtless::sim {
namespace {

using x86::VmcsField;
using x86::VmcsType;
using F = VmcsField;

// In the order of LiveField.
constexpr std::array<VmcsField, kLiveFields> kLiveEncodings = {
    F::GUEST_RIP,
    F::GUEST_RSP,
    F::GUEST_RFLAGS,
    F::GUEST_ES_SELECTOR,
    F::GUEST_CS_SELECTOR,
    F::GUEST_SS_SELECTOR,
    F::GUEST_DS_SELECTOR,
    F::GUEST_FS_SELECTOR,
    F::GUEST_GS_SELECTOR,
    F::GUEST_LDTR_SELECTOR,
    F::GUEST_TR_SELECTOR,
    F::GUEST_ES_BASE,
    F::GUEST_CS_BASE,
    F::GUEST_SS_BASE,
    F::GUEST_DS_BASE,
    F::GUEST_FS_BASE,
    F::GUEST_GS_BASE,
    F::GUEST_LDTR_BASE,
    F::GUEST_TR_BASE,
    F::GUEST_ES_LIMIT,
    F::GUEST_CS_LIMIT,
    F::GUEST_SS_LIMIT,
    F::GUEST_DS_LIMIT,
    F::GUEST_FS_LIMIT,
    F::GUEST_GS_LIMIT,
    F::GUEST_LDTR_LIMIT,
    F::GUEST_TR_LIMIT,
    F::GUEST_ES_ACCESS_RIGHTS,
    F::GUEST_CS_ACCESS_RIGHTS,
    F::GUEST_SS_ACCESS_RIGHTS,
    F::GUEST_DS_ACCESS_RIGHTS,
    F::GUEST_FS_ACCESS_RIGHTS,
    F::GUEST_GS_ACCESS_RIGHTS,
    F::GUEST_LDTR_ACCESS_RIGHTS,
    F::GUEST_TR_ACCESS_RIGHTS,
    F::GUEST_GDTR_BASE,
    F::GUEST_GDTR_LIMIT,
    F::GUEST_IDTR_BASE,
    F::GUEST_IDTR_LIMIT,
    F::GUEST_CR0,
    F::GUEST_CR3,
    F::GUEST_CR4,
    F::GUEST_IA32_EFER,
    F::GUEST_IA32_SYSENTER_CS,
    F::GUEST_IA32_SYSENTER_ESP,
    F::GUEST_IA32_SYSENTER_EIP,
    F::GUEST_INTERRUPTIBILITY_STATE,
};

template <size_t N>
constexpr bool contains(const std::array<VmcsField, N>& list, VmcsField field) {
    return std::find(list.begin(), list.end(), field) != list.end();
}

constexpr bool supported(VmcsField field) {
    return std::none_of(std::begin(kMissingFields), std::end(kMissingFields),
                        [field](const MissingField& missing) { return missing.field == field; });
}

template <class... G>
constexpr CheckGroups groups(G... group) {
    return static_cast<CheckGroups>((group_bit(group) | ...));
}

// What each guest check depends on besides its own fields: the controls, CR0, CR4, EFER and RFLAGS (through
// virtual-8086 mode).
constexpr CheckGroups kGuestGroups =
    groups(CheckGroup::GuestRegisters, CheckGroup::GuestSegments, CheckGroup::GuestTables,
           CheckGroup::GuestRip, CheckGroup::GuestNonRegister, CheckGroup::GuestPdptes);

constexpr CheckGroups kExecutionGroups = groups(CheckGroup::ExecutionControls, CheckGroup::TprThreshold);

constexpr std::array kEntryControlFields = {F::VM_ENTRY_CONTROLS, F::VM_ENTRY_MSR_LOAD_COUNT,
                                            F::VM_ENTRY_MSR_LOAD_ADDRESS};
constexpr std::array kEventFields = {F::VM_ENTRY_INTERRUPTION_INFORMATION, F::VM_ENTRY_EXCEPTION_ERROR_CODE,
                                     F::VM_ENTRY_INSTRUCTION_LENGTH};
constexpr std::array kExitControlFields = {F::VM_EXIT_CONTROLS, F::VM_EXIT_MSR_STORE_COUNT,
                                           F::VM_EXIT_MSR_LOAD_COUNT, F::VM_EXIT_MSR_STORE_ADDRESS,
                                           F::VM_EXIT_MSR_LOAD_ADDRESS};
// Control fields that no check reads.
constexpr std::array kFreeControlFields = {F::EXCEPTION_BITMAP,
                                           F::PAGE_FAULT_ERROR_CODE_MASK,
                                           F::PAGE_FAULT_ERROR_CODE_MATCH,
                                           F::TSC_OFFSET,
                                           F::CR0_GUEST_HOST_MASK,
                                           F::CR4_GUEST_HOST_MASK,
                                           F::CR0_READ_SHADOW,
                                           F::CR4_READ_SHADOW,
                                           F::CR3_TARGET_VALUE_0,
                                           F::CR3_TARGET_VALUE_1,
                                           F::CR3_TARGET_VALUE_2,
                                           F::CR3_TARGET_VALUE_3,
                                           F::EXECUTIVE_VMCS_POINTER,
                                           F::PLE_GAP,
                                           F::PLE_WINDOW,
                                           F::EPTP_INDEX,
                                           F::EOI_EXIT_BITMAP_0,
                                           F::EOI_EXIT_BITMAP_1,
                                           F::EOI_EXIT_BITMAP_2,
                                           F::EOI_EXIT_BITMAP_3};
constexpr std::array kTableFields = {F::GUEST_GDTR_BASE, F::GUEST_GDTR_LIMIT, F::GUEST_IDTR_BASE,
                                     F::GUEST_IDTR_LIMIT};
constexpr std::array kModeFields = {F::GUEST_CR0, F::GUEST_CR4, F::GUEST_IA32_EFER};
constexpr std::array kRegisterFields = {F::GUEST_CR3,
                                        F::GUEST_DR7,
                                        F::GUEST_IA32_DEBUGCTL,
                                        F::GUEST_IA32_PAT,
                                        F::GUEST_IA32_SYSENTER_CS,
                                        F::GUEST_IA32_SYSENTER_ESP,
                                        F::GUEST_IA32_SYSENTER_EIP};
constexpr std::array kNonRegisterFields = {F::GUEST_ACTIVITY_STATE, F::GUEST_INTERRUPTIBILITY_STATE,
                                           F::GUEST_PENDING_DEBUG_EXCEPTIONS, F::VMCS_LINK_POINTER};
constexpr std::array kPdpteFields = {F::GUEST_PDPTE0, F::GUEST_PDPTE1, F::GUEST_PDPTE2, F::GUEST_PDPTE3};
constexpr std::array kFreeGuestFields = {F::GUEST_RSP, F::GUEST_SMBASE, F::VMX_PREEMPTION_TIMER_VALUE,
                                         F::PML_INDEX, F::GUEST_INTERRUPT_STATUS};

constexpr CheckGroups control_groups(VmcsField field) {
    if (contains(kEventFields, field))
        return groups(CheckGroup::EventInjection, CheckGroup::GuestRip, CheckGroup::GuestNonRegister);
    if (contains(kFreeControlFields, field)) return 0;
    if (field == F::VM_EXIT_CONTROLS)  // posted interrupts need an acknowledgement
        return kExecutionGroups | groups(CheckGroup::ExitControls, CheckGroup::Host);
    if (contains(kExitControlFields, field)) return groups(CheckGroup::ExitControls, CheckGroup::Host);
    if (contains(kEntryControlFields, field))
        return groups(CheckGroup::EntryControls, CheckGroup::EventInjection, CheckGroup::Host) | kGuestGroups;
    // Only through the secondary controls that it activates do other checks depend on this word, which is
    // written for each interrupt window: VM entry looks whether those changed.
    if (field == F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS) return kExecutionGroups;
    if (field == F::TPR_THRESHOLD) return groups(CheckGroup::TprThreshold);
    return kExecutionGroups | groups(CheckGroup::ExitControls, CheckGroup::EventInjection) | kGuestGroups;
}

constexpr CheckGroups guest_groups(VmcsField field) {
    if (contains(kFreeGuestFields, field)) return 0;
    if (contains(kModeFields, field)) return groups(CheckGroup::EventInjection) | kGuestGroups;
    if (contains(kRegisterFields, field)) return groups(CheckGroup::GuestRegisters, CheckGroup::GuestPdptes);
    if (contains(kTableFields, field)) return groups(CheckGroup::GuestTables);
    if (contains(kNonRegisterFields, field))
        return groups(CheckGroup::GuestNonRegister, CheckGroup::EventInjection);
    if (contains(kPdpteFields, field)) return groups(CheckGroup::GuestPdptes);
    if (field == F::GUEST_RIP) return groups(CheckGroup::GuestRip);
    if (field == F::GUEST_RFLAGS)
        return groups(CheckGroup::GuestRip, CheckGroup::GuestSegments, CheckGroup::GuestNonRegister);
    // Segments: CS.L decides about RIP, SS.DPL about the activity state.
    return groups(CheckGroup::GuestSegments, CheckGroup::GuestRip, CheckGroup::GuestNonRegister);
}

constexpr CheckGroups groups_of(VmcsField field) {
    switch (x86::type(field)) {
        case VmcsType::CONTROL:
            return control_groups(field);
        case VmcsType::READ_ONLY:
            return 0;
        case VmcsType::GUEST_STATE:
            return guest_groups(field);
        case VmcsType::HOST_STATE:
            return group_bit(CheckGroup::Host);
    }
    return 0;
}

constexpr std::array<VmcsFieldInfo, kVmcsSlots> build_info() {
    std::array<VmcsFieldInfo, kVmcsSlots> info{};
    for (const VmcsField field : x86::all_vmcs_fields()) {
        if (x86::access_high(field) || !supported(field)) continue;
        const bool live = contains(kLiveEncodings, field);
        info[vmcs_slot(field)] = {true, !live, x86::is_read_only(field), kNotLive, groups_of(field)};
    }
    for (unsigned i = 0; i < kLiveFields; ++i) {
        info[vmcs_slot(kLiveEncodings[i])].live = static_cast<uint8_t>(i);
    }
    return info;
}

constexpr unsigned count_supported() {
    unsigned count = 0;
    for (const VmcsField field : x86::all_vmcs_fields()) {
        if (!x86::access_high(field) && supported(field)) ++count;
    }
    return count;
}

constexpr auto build_supported() {
    std::array<VmcsField, count_supported()> list{};
    unsigned count = 0;
    for (const VmcsField field : x86::all_vmcs_fields()) {
        if (!x86::access_high(field) && supported(field)) list[count++] = field;
    }
    return list;
}
constexpr auto kSupported = build_supported();

constexpr bool slots_are_distinct() {
    std::array<bool, kVmcsSlots> seen{};
    for (const VmcsField field : x86::all_vmcs_fields()) {
        if ((x86::encoding(field) & kVmcsEncodingReserved & ~kVmcsEncodingHigh) != 0) return false;
        if (x86::access_high(field)) continue;
        if (seen[vmcs_slot(field)]) return false;
        seen[vmcs_slot(field)] = true;
    }
    return true;
}
static_assert(slots_are_distinct());
static_assert(kLiveEncodings[static_cast<unsigned>(LiveField::TR_RIGHTS)] == F::GUEST_TR_ACCESS_RIGHTS);
static_assert(kLiveEncodings[static_cast<unsigned>(LiveField::SYSENTER_EIP)] == F::GUEST_IA32_SYSENTER_EIP);

}  // namespace

constexpr std::array<VmcsFieldInfo, kVmcsSlots> kInfo = build_info();
const std::array<VmcsFieldInfo, kVmcsSlots> kVmcsFieldInfo = kInfo;
const VmcsField* const kSupportedFields = kSupported.data();
const unsigned kSupportedFieldCount = static_cast<unsigned>(kSupported.size());

VmcsField live_field_encoding(LiveField field) { return kLiveEncodings[static_cast<unsigned>(field)]; }

unsigned highest_vmcs_index() {
    unsigned highest = 0;
    for (const VmcsField field : kSupported) highest = std::max(highest, x86::index(field));
    return highest;
}

}  // namespace vtless::sim
