// SPDX-License-Identifier: MIT
// VMCS fields and VM exits that this processor does not have, as data. The controls and features that it does
// not have, with their reasons, are those of feature_names().
#pragma once

#include "isa/x86/exit_reason.h"
#include "isa/x86/vmcs_field.h"

namespace vtless::sim {

// A field exists with a control only (its name in feature_names()), or is of TDX. SDM Vol. 3D "Field Encoding
// in VMCS" (Appendix B), footnotes. Every other field of the SDM is supported.
struct MissingField {
    x86::VmcsField field;
    const char* control = nullptr;  // nullptr: TDX
};

// An exit that no guest can cause.
struct MissingExit {
    x86::ExitReason reason;
    const char* why = nullptr;
};

// A control of a word that is not there itself: its name in feature_names() is that of its activation.
struct MissingControl {
    x86::VmcsField word;
    uint8_t bit = 0;
    const char* name = nullptr;
    const char* why = nullptr;
};

// clang-format off
inline constexpr MissingField kMissingFields[] = {
    {x86::VmcsField::HLAT_PREFIX_SIZE, "activate tertiary controls"},
    {x86::VmcsField::LAST_PID_POINTER_INDEX, "activate tertiary controls"},
    {x86::VmcsField::GUEST_UINV, "load UINV"},
    {x86::VmcsField::XSS_EXITING_BITMAP, "enable XSAVES/XRSTORS"},
    {x86::VmcsField::ENCLS_EXITING_BITMAP, "enable ENCLS exiting"},
    {x86::VmcsField::SUB_PAGE_PERMISSION_TABLE_POINTER, "sub-page write permissions for EPT"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, "activate tertiary controls"},
    {x86::VmcsField::ENCLV_EXITING_BITMAP, "enable ENCLV exiting"},
    {x86::VmcsField::LOW_PASID_DIRECTORY_ADDRESS, "PASID translation"},
    {x86::VmcsField::HIGH_PASID_DIRECTORY_ADDRESS, "PASID translation"},
    {x86::VmcsField::SHARED_EPT_POINTER, nullptr},
    {x86::VmcsField::PCONFIG_EXITING_BITMAP, "enable PCONFIG"},
    {x86::VmcsField::HLAT_POINTER, "activate tertiary controls"},
    {x86::VmcsField::PID_POINTER_TABLE_ADDRESS, "activate tertiary controls"},
    {x86::VmcsField::SECONDARY_VM_EXIT_CONTROLS, "activate secondary controls"},
    {x86::VmcsField::IA32_SPEC_CTRL_MASK, "activate tertiary controls"},
    {x86::VmcsField::IA32_SPEC_CTRL_SHADOW, "activate tertiary controls"},
    {x86::VmcsField::GUEST_IA32_PERF_GLOBAL_CTRL, "load IA32_PERF_GLOBAL_CTRL"},
    {x86::VmcsField::GUEST_IA32_BNDCFGS, "load IA32_BNDCFGS"},
    {x86::VmcsField::GUEST_IA32_RTIT_CTL, "load IA32_RTIT_CTL"},
    {x86::VmcsField::GUEST_IA32_LBR_CTL, "load guest IA32_LBR_CTL"},
    {x86::VmcsField::GUEST_IA32_PKRS, "load PKRS"},
    {x86::VmcsField::HOST_IA32_PERF_GLOBAL_CTRL, "load IA32_PERF_GLOBAL_CTRL"},
    {x86::VmcsField::HOST_IA32_PKRS, "load PKRS"},
    {x86::VmcsField::INSTRUCTION_TIMEOUT_CONTROL, "instruction timeout"},
    {x86::VmcsField::GUEST_IA32_S_CET, "load CET state"},
    {x86::VmcsField::GUEST_SSP, "load CET state"},
    {x86::VmcsField::GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, "load CET state"},
    {x86::VmcsField::HOST_IA32_S_CET, "load CET state"},
    {x86::VmcsField::HOST_SSP, "load CET state"},
    {x86::VmcsField::HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, "load CET state"},
};

inline constexpr MissingExit kMissingExits[] = {
    {x86::ExitReason::IO_SMI, "there is no SMM"},
    {x86::ExitReason::OTHER_SMI, "there is no SMM"},
    {x86::ExitReason::GETSEC, "there is no SMX: GETSEC is #UD"},
    {x86::ExitReason::RSM, "there is no SMM: RSM is #UD"},
    {x86::ExitReason::ENTRY_FAILURE_MACHINE_CHECK, "there are no machine checks"},
    {x86::ExitReason::INVPCID, "the engine has no such instructions"},
    {x86::ExitReason::ENCLS, "there is no SGX"},
    {x86::ExitReason::XSAVES, "the engine has no such instructions"},
    {x86::ExitReason::XRSTORS, "the engine has no such instructions"},
    {x86::ExitReason::PCONFIG, "the engine has no such instructions"},
    {x86::ExitReason::SPP_EVENT, "sub-page permissions are not modelled"},
    {x86::ExitReason::UMWAIT, "the engine has no such instructions"},
    {x86::ExitReason::TPAUSE, "the engine has no such instructions"},
    {x86::ExitReason::LOADIWKEY, "the engine has no such instructions"},
    {x86::ExitReason::ENCLV, "there is no SGX"},
    {x86::ExitReason::ENQCMD_PASID_TRANSLATION, "there is no ENQCMD"},
    {x86::ExitReason::ENQCMDS_PASID_TRANSLATION, "there is no ENQCMD"},
    {x86::ExitReason::BUS_LOCK, "bus locks are not modelled"},
    {x86::ExitReason::INSTRUCTION_TIMEOUT, "no instruction takes long"},
    {x86::ExitReason::SEAMCALL, "there is no TDX"},
    {x86::ExitReason::TDCALL, "there is no TDX"},
    {x86::ExitReason::RDMSRLIST, "the engine has no such instructions"},
    {x86::ExitReason::WRMSRLIST, "the engine has no such instructions"},
};

inline constexpr MissingControl kMissingControls[] = {
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 0, "LOADIWKEY exiting", "the engine has no such instructions"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 1, "enable HLAT", "linear addresses are translated by CR3 only"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 2, "EPT paging-write control", "linear addresses are translated by CR3 only"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 3, "guest-paging verification", "linear addresses are translated by CR3 only"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 4, "IPI virtualization", "there is one logical processor"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 6, "enable MSR-list instructions", "the engine has no such instructions"},
    {x86::VmcsField::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 7, "virtualize IA32_SPEC_CTRL", "speculation is not modelled"},
    {x86::VmcsField::SECONDARY_VM_EXIT_CONTROLS, 3, "prematurely busy shadow stack", "control-flow enforcement is not modelled"},
};
// clang-format on

}  // namespace vtless::sim
