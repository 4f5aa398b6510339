// SPDX-License-Identifier: MIT
// Names of the bits in those VMCS fields that are words of flags.
#pragma once

#include <cstdint>
#include <span>

#include "isa/x86/control_regs.h"
#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmcs_field.h"
#include "isa/x86/vmx_controls.h"

namespace vtless::x86 {

struct NamedBits {
    uint64_t mask;
    const char* name;
};

namespace vmcs_bits {
inline constexpr NamedBits kPinBits[] = {
    {PinControls::EXTERNAL_INTERRUPT_EXITING, "EXTERNAL_INTERRUPT_EXITING"},
    {PinControls::NMI_EXITING, "NMI_EXITING"},
    {PinControls::VIRTUAL_NMIS, "VIRTUAL_NMIS"},
    {PinControls::ACTIVATE_VMX_PREEMPTION_TIMER, "ACTIVATE_VMX_PREEMPTION_TIMER"},
    {PinControls::PROCESS_POSTED_INTERRUPTS, "PROCESS_POSTED_INTERRUPTS"},
};
inline constexpr NamedBits kPrimaryBits[] = {
    {PrimaryControls::INTERRUPT_WINDOW_EXITING, "INTERRUPT_WINDOW_EXITING"},
    {PrimaryControls::USE_TSC_OFFSETTING, "USE_TSC_OFFSETTING"},
    {PrimaryControls::HLT_EXITING, "HLT_EXITING"},
    {PrimaryControls::INVLPG_EXITING, "INVLPG_EXITING"},
    {PrimaryControls::MWAIT_EXITING, "MWAIT_EXITING"},
    {PrimaryControls::RDPMC_EXITING, "RDPMC_EXITING"},
    {PrimaryControls::RDTSC_EXITING, "RDTSC_EXITING"},
    {PrimaryControls::CR3_LOAD_EXITING, "CR3_LOAD_EXITING"},
    {PrimaryControls::CR3_STORE_EXITING, "CR3_STORE_EXITING"},
    {PrimaryControls::ACTIVATE_TERTIARY_CONTROLS, "ACTIVATE_TERTIARY_CONTROLS"},
    {PrimaryControls::CR8_LOAD_EXITING, "CR8_LOAD_EXITING"},
    {PrimaryControls::CR8_STORE_EXITING, "CR8_STORE_EXITING"},
    {PrimaryControls::USE_TPR_SHADOW, "USE_TPR_SHADOW"},
    {PrimaryControls::NMI_WINDOW_EXITING, "NMI_WINDOW_EXITING"},
    {PrimaryControls::MOV_DR_EXITING, "MOV_DR_EXITING"},
    {PrimaryControls::UNCONDITIONAL_IO_EXITING, "UNCONDITIONAL_IO_EXITING"},
    {PrimaryControls::USE_IO_BITMAPS, "USE_IO_BITMAPS"},
    {PrimaryControls::MONITOR_TRAP_FLAG, "MONITOR_TRAP_FLAG"},
    {PrimaryControls::USE_MSR_BITMAPS, "USE_MSR_BITMAPS"},
    {PrimaryControls::MONITOR_EXITING, "MONITOR_EXITING"},
    {PrimaryControls::PAUSE_EXITING, "PAUSE_EXITING"},
    {PrimaryControls::ACTIVATE_SECONDARY_CONTROLS, "ACTIVATE_SECONDARY_CONTROLS"},
};
inline constexpr NamedBits kSecondaryBits[] = {
    {SecondaryControls::VIRTUALIZE_APIC_ACCESSES, "VIRTUALIZE_APIC_ACCESSES"},
    {SecondaryControls::ENABLE_EPT, "ENABLE_EPT"},
    {SecondaryControls::DESCRIPTOR_TABLE_EXITING, "DESCRIPTOR_TABLE_EXITING"},
    {SecondaryControls::ENABLE_RDTSCP, "ENABLE_RDTSCP"},
    {SecondaryControls::VIRTUALIZE_X2APIC_MODE, "VIRTUALIZE_X2APIC_MODE"},
    {SecondaryControls::ENABLE_VPID, "ENABLE_VPID"},
    {SecondaryControls::WBINVD_EXITING, "WBINVD_EXITING"},
    {SecondaryControls::UNRESTRICTED_GUEST, "UNRESTRICTED_GUEST"},
    {SecondaryControls::APIC_REGISTER_VIRTUALIZATION, "APIC_REGISTER_VIRTUALIZATION"},
    {SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY, "VIRTUAL_INTERRUPT_DELIVERY"},
    {SecondaryControls::PAUSE_LOOP_EXITING, "PAUSE_LOOP_EXITING"},
    {SecondaryControls::RDRAND_EXITING, "RDRAND_EXITING"},
    {SecondaryControls::ENABLE_INVPCID, "ENABLE_INVPCID"},
    {SecondaryControls::ENABLE_VM_FUNCTIONS, "ENABLE_VM_FUNCTIONS"},
    {SecondaryControls::VMCS_SHADOWING, "VMCS_SHADOWING"},
    {SecondaryControls::ENABLE_ENCLS_EXITING, "ENABLE_ENCLS_EXITING"},
    {SecondaryControls::RDSEED_EXITING, "RDSEED_EXITING"},
    {SecondaryControls::ENABLE_PML, "ENABLE_PML"},
    {SecondaryControls::EPT_VIOLATION_VE, "EPT_VIOLATION_VE"},
    {SecondaryControls::CONCEAL_VMX_FROM_PT, "CONCEAL_VMX_FROM_PT"},
    {SecondaryControls::ENABLE_XSAVES_XRSTORS, "ENABLE_XSAVES_XRSTORS"},
    {SecondaryControls::PASID_TRANSLATION, "PASID_TRANSLATION"},
    {SecondaryControls::MODE_BASED_EXECUTE_CONTROL_FOR_EPT, "MODE_BASED_EXECUTE_CONTROL_FOR_EPT"},
    {SecondaryControls::SUB_PAGE_WRITE_PERMISSIONS_FOR_EPT, "SUB_PAGE_WRITE_PERMISSIONS_FOR_EPT"},
    {SecondaryControls::INTEL_PT_USES_GUEST_PHYSICAL_ADDRESSES, "INTEL_PT_USES_GUEST_PHYSICAL_ADDRESSES"},
    {SecondaryControls::USE_TSC_SCALING, "USE_TSC_SCALING"},
    {SecondaryControls::ENABLE_USER_WAIT_AND_PAUSE, "ENABLE_USER_WAIT_AND_PAUSE"},
    {SecondaryControls::ENABLE_PCONFIG, "ENABLE_PCONFIG"},
    {SecondaryControls::ENABLE_ENCLV_EXITING, "ENABLE_ENCLV_EXITING"},
    {SecondaryControls::VMM_BUS_LOCK_DETECTION, "VMM_BUS_LOCK_DETECTION"},
    {SecondaryControls::INSTRUCTION_TIMEOUT, "INSTRUCTION_TIMEOUT"},
};
inline constexpr NamedBits kTertiaryBits[] = {
    {TertiaryControls::LOADIWKEY_EXITING, "LOADIWKEY_EXITING"},
    {TertiaryControls::ENABLE_HLAT, "ENABLE_HLAT"},
    {TertiaryControls::EPT_PAGING_WRITE_CONTROL, "EPT_PAGING_WRITE_CONTROL"},
    {TertiaryControls::GUEST_PAGING_VERIFICATION, "GUEST_PAGING_VERIFICATION"},
    {TertiaryControls::IPI_VIRTUALIZATION, "IPI_VIRTUALIZATION"},
    {TertiaryControls::ENABLE_MSR_LIST_INSTRUCTIONS, "ENABLE_MSR_LIST_INSTRUCTIONS"},
    {TertiaryControls::VIRTUALIZE_IA32_SPEC_CTRL, "VIRTUALIZE_IA32_SPEC_CTRL"},
};
inline constexpr NamedBits kExitBits[] = {
    {ExitControls::SAVE_DEBUG_CONTROLS, "SAVE_DEBUG_CONTROLS"},
    {ExitControls::HOST_ADDRESS_SPACE_SIZE, "HOST_ADDRESS_SPACE_SIZE"},
    {ExitControls::LOAD_IA32_PERF_GLOBAL_CTRL, "LOAD_IA32_PERF_GLOBAL_CTRL"},
    {ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT, "ACKNOWLEDGE_INTERRUPT_ON_EXIT"},
    {ExitControls::SAVE_IA32_PAT, "SAVE_IA32_PAT"},
    {ExitControls::LOAD_IA32_PAT, "LOAD_IA32_PAT"},
    {ExitControls::SAVE_IA32_EFER, "SAVE_IA32_EFER"},
    {ExitControls::LOAD_IA32_EFER, "LOAD_IA32_EFER"},
    {ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE, "SAVE_VMX_PREEMPTION_TIMER_VALUE"},
    {ExitControls::CLEAR_IA32_BNDCFGS, "CLEAR_IA32_BNDCFGS"},
    {ExitControls::CONCEAL_VMX_FROM_PT, "CONCEAL_VMX_FROM_PT"},
    {ExitControls::CLEAR_IA32_RTIT_CTL, "CLEAR_IA32_RTIT_CTL"},
    {ExitControls::CLEAR_IA32_LBR_CTL, "CLEAR_IA32_LBR_CTL"},
    {ExitControls::CLEAR_UINV, "CLEAR_UINV"},
    {ExitControls::LOAD_CET_STATE, "LOAD_CET_STATE"},
    {ExitControls::LOAD_PKRS, "LOAD_PKRS"},
    {ExitControls::SAVE_IA32_PERF_GLOBAL_CTRL, "SAVE_IA32_PERF_GLOBAL_CTRL"},
    {ExitControls::ACTIVATE_SECONDARY_CONTROLS, "ACTIVATE_SECONDARY_CONTROLS"},
};
inline constexpr NamedBits kSecondaryExitBits[] = {
    {SecondaryExitControls::PREMATURELY_BUSY_SHADOW_STACK, "PREMATURELY_BUSY_SHADOW_STACK"},
};
inline constexpr NamedBits kEntryBits[] = {
    {EntryControls::LOAD_DEBUG_CONTROLS, "LOAD_DEBUG_CONTROLS"},
    {EntryControls::IA32E_MODE_GUEST, "IA32E_MODE_GUEST"},
    {EntryControls::ENTRY_TO_SMM, "ENTRY_TO_SMM"},
    {EntryControls::DEACTIVATE_DUAL_MONITOR_TREATMENT, "DEACTIVATE_DUAL_MONITOR_TREATMENT"},
    {EntryControls::LOAD_IA32_PERF_GLOBAL_CTRL, "LOAD_IA32_PERF_GLOBAL_CTRL"},
    {EntryControls::LOAD_IA32_PAT, "LOAD_IA32_PAT"},
    {EntryControls::LOAD_IA32_EFER, "LOAD_IA32_EFER"},
    {EntryControls::LOAD_IA32_BNDCFGS, "LOAD_IA32_BNDCFGS"},
    {EntryControls::CONCEAL_VMX_FROM_PT, "CONCEAL_VMX_FROM_PT"},
    {EntryControls::LOAD_IA32_RTIT_CTL, "LOAD_IA32_RTIT_CTL"},
    {EntryControls::LOAD_UINV, "LOAD_UINV"},
    {EntryControls::LOAD_CET_STATE, "LOAD_CET_STATE"},
    {EntryControls::LOAD_GUEST_IA32_LBR_CTL, "LOAD_GUEST_IA32_LBR_CTL"},
    {EntryControls::LOAD_PKRS, "LOAD_PKRS"},
};
inline constexpr NamedBits kCr0Bits[] = {
    {cr0::PE, "PE"}, {cr0::MP, "MP"}, {cr0::EM, "EM"}, {cr0::TS, "TS"}, {cr0::ET, "ET"}, {cr0::NE, "NE"},
    {cr0::WP, "WP"}, {cr0::AM, "AM"}, {cr0::NW, "NW"}, {cr0::CD, "CD"}, {cr0::PG, "PG"},
};
inline constexpr NamedBits kCr4Bits[] = {
    {cr4::VME, "VME"},
    {cr4::PVI, "PVI"},
    {cr4::TSD, "TSD"},
    {cr4::DE, "DE"},
    {cr4::PSE, "PSE"},
    {cr4::PAE, "PAE"},
    {cr4::MCE, "MCE"},
    {cr4::PGE, "PGE"},
    {cr4::PCE, "PCE"},
    {cr4::OSFXSR, "OSFXSR"},
    {cr4::OSXMMEXCPT, "OSXMMEXCPT"},
    {cr4::UMIP, "UMIP"},
    {cr4::LA57, "LA57"},
    {cr4::VMXE, "VMXE"},
    {cr4::SMXE, "SMXE"},
    {cr4::FSGSBASE, "FSGSBASE"},
    {cr4::PCIDE, "PCIDE"},
    {cr4::OSXSAVE, "OSXSAVE"},
    {cr4::KL, "KL"},
    {cr4::SMEP, "SMEP"},
    {cr4::SMAP, "SMAP"},
    {cr4::PKE, "PKE"},
    {cr4::CET, "CET"},
    {cr4::PKS, "PKS"},
    {cr4::UINTR, "UINTR"},
};
inline constexpr NamedBits kEferBits[] = {
    {efer::SCE, "SCE"},
    {efer::LME, "LME"},
    {efer::LMA, "LMA"},
    {efer::NXE, "NXE"},
};
inline constexpr NamedBits kDebugctlBits[] = {
    {debugctl::LBR, "LBR"},
    {debugctl::BTF, "BTF"},
    {debugctl::BUS_LOCK_DETECT, "BUS_LOCK_DETECT"},
    {debugctl::TR, "TR"},
    {debugctl::BTS, "BTS"},
    {debugctl::BTINT, "BTINT"},
    {debugctl::BTS_OFF_OS, "BTS_OFF_OS"},
    {debugctl::BTS_OFF_USR, "BTS_OFF_USR"},
    {debugctl::FREEZE_LBRS_ON_PMI, "FREEZE_LBRS_ON_PMI"},
    {debugctl::FREEZE_PERFMON_ON_PMI, "FREEZE_PERFMON_ON_PMI"},
    {debugctl::FREEZE_WHILE_SMM, "FREEZE_WHILE_SMM"},
    {debugctl::RTM, "RTM"},
};
inline constexpr NamedBits kInterruptibilityBits[] = {
    {interruptibility::BLOCKING_BY_STI, "BLOCKING_BY_STI"},
    {interruptibility::BLOCKING_BY_MOV_SS, "BLOCKING_BY_MOV_SS"},
    {interruptibility::BLOCKING_BY_SMI, "BLOCKING_BY_SMI"},
    {interruptibility::BLOCKING_BY_NMI, "BLOCKING_BY_NMI"},
    {interruptibility::ENCLAVE_INTERRUPTION, "ENCLAVE_INTERRUPTION"},
};
inline constexpr NamedBits kPendingDebugBits[] = {
    {pending_debug::B0, "B0"},   {pending_debug::B1, "B1"},
    {pending_debug::B2, "B2"},   {pending_debug::B3, "B3"},
    {pending_debug::BLD, "BLD"}, {pending_debug::ENABLED_BREAKPOINT, "ENABLED_BREAKPOINT"},
    {pending_debug::BS, "BS"},   {pending_debug::RTM, "RTM"},
};
inline constexpr NamedBits kRflagsBits[] = {
    {rflags::CF, "CF"},   {rflags::PF, "PF"}, {rflags::AF, "AF"}, {rflags::ZF, "ZF"}, {rflags::SF, "SF"},
    {rflags::TF, "TF"},   {rflags::IF, "IF"}, {rflags::DF, "DF"}, {rflags::OF, "OF"}, {rflags::IOPL, "IOPL"},
    {rflags::NT, "NT"},   {rflags::RF, "RF"}, {rflags::VM, "VM"}, {rflags::AC, "AC"}, {rflags::VIF, "VIF"},
    {rflags::VIP, "VIP"}, {rflags::ID, "ID"},
};
inline constexpr NamedBits kEventBits[] = {
    {bit_range(7, 0), "vector"},
    {bit_range(10, 8), "type"},
    {EventInfo::kErrorCodeValid, "error code valid"},
    {EventInfo::kValid, "valid"},
};
inline constexpr NamedBits kRightsBits[] = {
    {bit_range(3, 0), "type"}, {bit(4), "S"},  {bit_range(6, 5), "DPL"}, {bit(7), "P"},
    {bit(12), "AVL"},          {bit(13), "L"}, {bit(14), "D/B"},         {bit(15), "G"},
    {bit(16), "unusable"},
};
inline constexpr NamedBits kSelectorBits[] = {
    {bit_range(1, 0), "RPL"}, {bit(2), "TI"}, {bit_range(15, 3), "index"}};
inline constexpr NamedBits kEptpBits[] = {
    {bit_range(2, 0), "memory type"},
    {bit_range(5, 3), "page-walk length minus 1"},
    {bit(6), "accessed and dirty flags"},
};
inline constexpr NamedBits kPdpteBits[] = {{bit(0), "P"}, {bit(3), "PWT"}, {bit(4), "PCD"}};
}  // namespace vmcs_bits

// The flags and parts of a field, in ascending order; none for a field that is a number or an address.
constexpr std::span<const NamedBits> named_bits(VmcsField field) {
    using F = VmcsField;
    namespace b = vmcs_bits;
    switch (field) {
        case F::PIN_BASED_VM_EXECUTION_CONTROLS:
            return b::kPinBits;
        case F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS:
            return b::kPrimaryBits;
        case F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS:
            return b::kSecondaryBits;
        case F::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS:
            return b::kTertiaryBits;
        case F::VM_EXIT_CONTROLS:
            return b::kExitBits;
        case F::SECONDARY_VM_EXIT_CONTROLS:
            return b::kSecondaryExitBits;
        case F::VM_ENTRY_CONTROLS:
            return b::kEntryBits;
        case F::GUEST_CR0:
        case F::HOST_CR0:
        case F::CR0_GUEST_HOST_MASK:
        case F::CR0_READ_SHADOW:
            return b::kCr0Bits;
        case F::GUEST_CR4:
        case F::HOST_CR4:
        case F::CR4_GUEST_HOST_MASK:
        case F::CR4_READ_SHADOW:
            return b::kCr4Bits;
        case F::GUEST_IA32_EFER:
        case F::HOST_IA32_EFER:
            return b::kEferBits;
        case F::GUEST_IA32_DEBUGCTL:
            return b::kDebugctlBits;
        case F::GUEST_RFLAGS:
            return b::kRflagsBits;
        case F::GUEST_INTERRUPTIBILITY_STATE:
            return b::kInterruptibilityBits;
        case F::GUEST_PENDING_DEBUG_EXCEPTIONS:
            return b::kPendingDebugBits;
        case F::VM_ENTRY_INTERRUPTION_INFORMATION:
        case F::VM_EXIT_INTERRUPTION_INFORMATION:
        case F::IDT_VECTORING_INFORMATION:
            return b::kEventBits;
        case F::EPT_POINTER:
            return b::kEptpBits;
        case F::GUEST_PDPTE0:
        case F::GUEST_PDPTE1:
        case F::GUEST_PDPTE2:
        case F::GUEST_PDPTE3:
            return b::kPdpteBits;
        default:
            break;
    }
    const uint32_t raw = encoding(field);
    if (raw >= encoding(F::GUEST_ES_ACCESS_RIGHTS) && raw <= encoding(F::GUEST_TR_ACCESS_RIGHTS))
        return b::kRightsBits;
    const bool guest_selector =
        raw >= encoding(F::GUEST_ES_SELECTOR) && raw <= encoding(F::GUEST_TR_SELECTOR);
    const bool host_selector = raw >= encoding(F::HOST_ES_SELECTOR) && raw <= encoding(F::HOST_TR_SELECTOR);
    if (guest_selector || host_selector) return b::kSelectorBits;
    return {};
}

}  // namespace vtless::x86
