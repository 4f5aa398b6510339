// SPDX-License-Identifier: MIT
// The VMX control words, one type each. SDM Vol. 3C chapter 25 (VM-execution, VM-exit and VM-entry control
// fields).
#pragma once

#include <cstdint>

namespace vtless::x86 {

// What all control words share; Self keeps them apart.
template <class Self, class Word>
struct ControlWord {
    Word raw = 0;

    // All of the given bits are set.
    constexpr bool has(Word bits) const { return (raw & bits) == bits; }
    constexpr Self with(Word bits) const { return Self{{raw | bits}}; }
    constexpr Self without(Word bits) const { return Self{{static_cast<Word>(raw & ~bits)}}; }

    friend constexpr bool operator==(const ControlWord&, const ControlWord&) = default;
};

// SDM Vol. 3C "Pin-Based VM-Execution Controls" (25.6.1).
struct PinControls : ControlWord<PinControls, uint32_t> {
    static constexpr uint32_t EXTERNAL_INTERRUPT_EXITING = uint32_t{1} << 0;
    static constexpr uint32_t NMI_EXITING = uint32_t{1} << 3;
    static constexpr uint32_t VIRTUAL_NMIS = uint32_t{1} << 5;
    static constexpr uint32_t ACTIVATE_VMX_PREEMPTION_TIMER = uint32_t{1} << 6;
    static constexpr uint32_t PROCESS_POSTED_INTERRUPTS = uint32_t{1} << 7;
};

// SDM Vol. 3C "Processor-Based VM-Execution Controls" (25.6.2).
struct PrimaryControls : ControlWord<PrimaryControls, uint32_t> {
    static constexpr uint32_t INTERRUPT_WINDOW_EXITING = uint32_t{1} << 2;
    static constexpr uint32_t USE_TSC_OFFSETTING = uint32_t{1} << 3;
    static constexpr uint32_t HLT_EXITING = uint32_t{1} << 7;
    static constexpr uint32_t INVLPG_EXITING = uint32_t{1} << 9;
    static constexpr uint32_t MWAIT_EXITING = uint32_t{1} << 10;
    static constexpr uint32_t RDPMC_EXITING = uint32_t{1} << 11;
    static constexpr uint32_t RDTSC_EXITING = uint32_t{1} << 12;
    static constexpr uint32_t CR3_LOAD_EXITING = uint32_t{1} << 15;
    static constexpr uint32_t CR3_STORE_EXITING = uint32_t{1} << 16;
    static constexpr uint32_t ACTIVATE_TERTIARY_CONTROLS = uint32_t{1} << 17;
    static constexpr uint32_t CR8_LOAD_EXITING = uint32_t{1} << 19;
    static constexpr uint32_t CR8_STORE_EXITING = uint32_t{1} << 20;
    static constexpr uint32_t USE_TPR_SHADOW = uint32_t{1} << 21;
    static constexpr uint32_t NMI_WINDOW_EXITING = uint32_t{1} << 22;
    static constexpr uint32_t MOV_DR_EXITING = uint32_t{1} << 23;
    static constexpr uint32_t UNCONDITIONAL_IO_EXITING = uint32_t{1} << 24;
    static constexpr uint32_t USE_IO_BITMAPS = uint32_t{1} << 25;
    static constexpr uint32_t MONITOR_TRAP_FLAG = uint32_t{1} << 27;
    static constexpr uint32_t USE_MSR_BITMAPS = uint32_t{1} << 28;
    static constexpr uint32_t MONITOR_EXITING = uint32_t{1} << 29;
    static constexpr uint32_t PAUSE_EXITING = uint32_t{1} << 30;
    static constexpr uint32_t ACTIVATE_SECONDARY_CONTROLS = uint32_t{1} << 31;
};

// SDM Vol. 3C "Processor-Based VM-Execution Controls" (25.6.2).
struct SecondaryControls : ControlWord<SecondaryControls, uint32_t> {
    static constexpr uint32_t VIRTUALIZE_APIC_ACCESSES = uint32_t{1} << 0;
    static constexpr uint32_t ENABLE_EPT = uint32_t{1} << 1;
    static constexpr uint32_t DESCRIPTOR_TABLE_EXITING = uint32_t{1} << 2;
    static constexpr uint32_t ENABLE_RDTSCP = uint32_t{1} << 3;
    static constexpr uint32_t VIRTUALIZE_X2APIC_MODE = uint32_t{1} << 4;
    static constexpr uint32_t ENABLE_VPID = uint32_t{1} << 5;
    static constexpr uint32_t WBINVD_EXITING = uint32_t{1} << 6;
    static constexpr uint32_t UNRESTRICTED_GUEST = uint32_t{1} << 7;
    static constexpr uint32_t APIC_REGISTER_VIRTUALIZATION = uint32_t{1} << 8;
    static constexpr uint32_t VIRTUAL_INTERRUPT_DELIVERY = uint32_t{1} << 9;
    static constexpr uint32_t PAUSE_LOOP_EXITING = uint32_t{1} << 10;
    static constexpr uint32_t RDRAND_EXITING = uint32_t{1} << 11;
    static constexpr uint32_t ENABLE_INVPCID = uint32_t{1} << 12;
    static constexpr uint32_t ENABLE_VM_FUNCTIONS = uint32_t{1} << 13;
    static constexpr uint32_t VMCS_SHADOWING = uint32_t{1} << 14;
    static constexpr uint32_t ENABLE_ENCLS_EXITING = uint32_t{1} << 15;
    static constexpr uint32_t RDSEED_EXITING = uint32_t{1} << 16;
    static constexpr uint32_t ENABLE_PML = uint32_t{1} << 17;
    static constexpr uint32_t EPT_VIOLATION_VE = uint32_t{1} << 18;
    static constexpr uint32_t CONCEAL_VMX_FROM_PT = uint32_t{1} << 19;
    static constexpr uint32_t ENABLE_XSAVES_XRSTORS = uint32_t{1} << 20;
    static constexpr uint32_t PASID_TRANSLATION = uint32_t{1} << 21;
    static constexpr uint32_t MODE_BASED_EXECUTE_CONTROL_FOR_EPT = uint32_t{1} << 22;
    static constexpr uint32_t SUB_PAGE_WRITE_PERMISSIONS_FOR_EPT = uint32_t{1} << 23;
    static constexpr uint32_t INTEL_PT_USES_GUEST_PHYSICAL_ADDRESSES = uint32_t{1} << 24;
    static constexpr uint32_t USE_TSC_SCALING = uint32_t{1} << 25;
    static constexpr uint32_t ENABLE_USER_WAIT_AND_PAUSE = uint32_t{1} << 26;
    static constexpr uint32_t ENABLE_PCONFIG = uint32_t{1} << 27;
    static constexpr uint32_t ENABLE_ENCLV_EXITING = uint32_t{1} << 28;
    static constexpr uint32_t VMM_BUS_LOCK_DETECTION = uint32_t{1} << 30;
    static constexpr uint32_t INSTRUCTION_TIMEOUT = uint32_t{1} << 31;
};

// SDM Vol. 3C "VM-Exit Controls" (25.7.1).
struct ExitControls : ControlWord<ExitControls, uint32_t> {
    static constexpr uint32_t SAVE_DEBUG_CONTROLS = uint32_t{1} << 2;
    static constexpr uint32_t HOST_ADDRESS_SPACE_SIZE = uint32_t{1} << 9;
    static constexpr uint32_t LOAD_IA32_PERF_GLOBAL_CTRL = uint32_t{1} << 12;
    static constexpr uint32_t ACKNOWLEDGE_INTERRUPT_ON_EXIT = uint32_t{1} << 15;
    static constexpr uint32_t SAVE_IA32_PAT = uint32_t{1} << 18;
    static constexpr uint32_t LOAD_IA32_PAT = uint32_t{1} << 19;
    static constexpr uint32_t SAVE_IA32_EFER = uint32_t{1} << 20;
    static constexpr uint32_t LOAD_IA32_EFER = uint32_t{1} << 21;
    static constexpr uint32_t SAVE_VMX_PREEMPTION_TIMER_VALUE = uint32_t{1} << 22;
    static constexpr uint32_t CLEAR_IA32_BNDCFGS = uint32_t{1} << 23;
    static constexpr uint32_t CONCEAL_VMX_FROM_PT = uint32_t{1} << 24;
    static constexpr uint32_t CLEAR_IA32_RTIT_CTL = uint32_t{1} << 25;
    static constexpr uint32_t CLEAR_IA32_LBR_CTL = uint32_t{1} << 26;
    static constexpr uint32_t CLEAR_UINV = uint32_t{1} << 27;
    static constexpr uint32_t LOAD_CET_STATE = uint32_t{1} << 28;
    static constexpr uint32_t LOAD_PKRS = uint32_t{1} << 29;
    static constexpr uint32_t SAVE_IA32_PERF_GLOBAL_CTRL = uint32_t{1} << 30;
    static constexpr uint32_t ACTIVATE_SECONDARY_CONTROLS = uint32_t{1} << 31;
};

// SDM Vol. 3C "VM-Entry Controls" (25.8.1).
struct EntryControls : ControlWord<EntryControls, uint32_t> {
    static constexpr uint32_t LOAD_DEBUG_CONTROLS = uint32_t{1} << 2;
    static constexpr uint32_t IA32E_MODE_GUEST = uint32_t{1} << 9;
    static constexpr uint32_t ENTRY_TO_SMM = uint32_t{1} << 10;
    static constexpr uint32_t DEACTIVATE_DUAL_MONITOR_TREATMENT = uint32_t{1} << 11;
    static constexpr uint32_t LOAD_IA32_PERF_GLOBAL_CTRL = uint32_t{1} << 13;
    static constexpr uint32_t LOAD_IA32_PAT = uint32_t{1} << 14;
    static constexpr uint32_t LOAD_IA32_EFER = uint32_t{1} << 15;
    static constexpr uint32_t LOAD_IA32_BNDCFGS = uint32_t{1} << 16;
    static constexpr uint32_t CONCEAL_VMX_FROM_PT = uint32_t{1} << 17;
    static constexpr uint32_t LOAD_IA32_RTIT_CTL = uint32_t{1} << 18;
    static constexpr uint32_t LOAD_UINV = uint32_t{1} << 19;
    static constexpr uint32_t LOAD_CET_STATE = uint32_t{1} << 20;
    static constexpr uint32_t LOAD_GUEST_IA32_LBR_CTL = uint32_t{1} << 21;
    static constexpr uint32_t LOAD_PKRS = uint32_t{1} << 22;
};

// SDM Vol. 3C "Processor-Based VM-Execution Controls" (25.6.2).
struct TertiaryControls : ControlWord<TertiaryControls, uint64_t> {
    static constexpr uint64_t LOADIWKEY_EXITING = uint64_t{1} << 0;
    static constexpr uint64_t ENABLE_HLAT = uint64_t{1} << 1;
    static constexpr uint64_t EPT_PAGING_WRITE_CONTROL = uint64_t{1} << 2;
    static constexpr uint64_t GUEST_PAGING_VERIFICATION = uint64_t{1} << 3;
    static constexpr uint64_t IPI_VIRTUALIZATION = uint64_t{1} << 4;
    static constexpr uint64_t ENABLE_MSR_LIST_INSTRUCTIONS = uint64_t{1} << 6;
    static constexpr uint64_t VIRTUALIZE_IA32_SPEC_CTRL = uint64_t{1} << 7;
};

// SDM Vol. 3C "VM-Exit Controls" (25.7.1).
struct SecondaryExitControls : ControlWord<SecondaryExitControls, uint64_t> {
    static constexpr uint64_t PREMATURELY_BUSY_SHADOW_STACK = uint64_t{1} << 3;
};

}  // namespace vtless::x86
