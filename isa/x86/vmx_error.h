// SPDX-License-Identifier: MIT
// VM-instruction errors. SDM Vol. 3C "VM Instruction Error Numbers" (31.4).
#pragma once

#include <array>
#include <cstdint>

namespace vtless::x86 {

// 14, 21 and 27 are not defined.
enum class VmInstructionError : uint32_t {
    VMCALL_IN_VMX_ROOT = 1,
    VMCLEAR_INVALID_PHYSICAL_ADDRESS = 2,
    VMCLEAR_VMXON_POINTER = 3,
    VMLAUNCH_NON_CLEAR_VMCS = 4,
    VMRESUME_NON_LAUNCHED_VMCS = 5,
    VMRESUME_AFTER_VMXOFF = 6,
    ENTRY_INVALID_CONTROL_FIELDS = 7,
    ENTRY_INVALID_HOST_STATE = 8,
    VMPTRLD_INVALID_PHYSICAL_ADDRESS = 9,
    VMPTRLD_VMXON_POINTER = 10,
    VMPTRLD_INCORRECT_REVISION = 11,
    UNSUPPORTED_VMCS_COMPONENT = 12,
    VMWRITE_READ_ONLY_COMPONENT = 13,
    VMXON_IN_VMX_ROOT = 15,
    ENTRY_INVALID_EXECUTIVE_VMCS_POINTER = 16,
    ENTRY_NON_LAUNCHED_EXECUTIVE_VMCS = 17,
    ENTRY_EXECUTIVE_POINTER_NOT_VMXON = 18,
    VMCALL_NON_CLEAR_VMCS = 19,
    VMCALL_INVALID_EXIT_CONTROLS = 20,
    VMCALL_INCORRECT_MSEG_REVISION = 22,
    VMXOFF_UNDER_DUAL_MONITOR = 23,
    VMCALL_INVALID_SMM_MONITOR_FEATURES = 24,
    ENTRY_INVALID_EXECUTIVE_CONTROLS = 25,
    ENTRY_EVENTS_BLOCKED_BY_MOV_SS = 26,
    INVALID_OPERAND_TO_INVEPT_INVVPID = 28,
};

namespace vmx_error_detail {
inline constexpr std::array kAll = {
    VmInstructionError::VMCALL_IN_VMX_ROOT,
    VmInstructionError::VMCLEAR_INVALID_PHYSICAL_ADDRESS,
    VmInstructionError::VMCLEAR_VMXON_POINTER,
    VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS,
    VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS,
    VmInstructionError::VMRESUME_AFTER_VMXOFF,
    VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS,
    VmInstructionError::ENTRY_INVALID_HOST_STATE,
    VmInstructionError::VMPTRLD_INVALID_PHYSICAL_ADDRESS,
    VmInstructionError::VMPTRLD_VMXON_POINTER,
    VmInstructionError::VMPTRLD_INCORRECT_REVISION,
    VmInstructionError::UNSUPPORTED_VMCS_COMPONENT,
    VmInstructionError::VMWRITE_READ_ONLY_COMPONENT,
    VmInstructionError::VMXON_IN_VMX_ROOT,
    VmInstructionError::ENTRY_INVALID_EXECUTIVE_VMCS_POINTER,
    VmInstructionError::ENTRY_NON_LAUNCHED_EXECUTIVE_VMCS,
    VmInstructionError::ENTRY_EXECUTIVE_POINTER_NOT_VMXON,
    VmInstructionError::VMCALL_NON_CLEAR_VMCS,
    VmInstructionError::VMCALL_INVALID_EXIT_CONTROLS,
    VmInstructionError::VMCALL_INCORRECT_MSEG_REVISION,
    VmInstructionError::VMXOFF_UNDER_DUAL_MONITOR,
    VmInstructionError::VMCALL_INVALID_SMM_MONITOR_FEATURES,
    VmInstructionError::ENTRY_INVALID_EXECUTIVE_CONTROLS,
    VmInstructionError::ENTRY_EVENTS_BLOCKED_BY_MOV_SS,
    VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID,
};
}  // namespace vmx_error_detail

constexpr const auto& all_vm_instruction_errors() { return vmx_error_detail::kAll; }

// nullptr for a number the SDM does not define.
constexpr const char* name(VmInstructionError error) {
    switch (error) {
        case VmInstructionError::VMCALL_IN_VMX_ROOT:
            return "VMCALL_IN_VMX_ROOT";
        case VmInstructionError::VMCLEAR_INVALID_PHYSICAL_ADDRESS:
            return "VMCLEAR_INVALID_PHYSICAL_ADDRESS";
        case VmInstructionError::VMCLEAR_VMXON_POINTER:
            return "VMCLEAR_VMXON_POINTER";
        case VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS:
            return "VMLAUNCH_NON_CLEAR_VMCS";
        case VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS:
            return "VMRESUME_NON_LAUNCHED_VMCS";
        case VmInstructionError::VMRESUME_AFTER_VMXOFF:
            return "VMRESUME_AFTER_VMXOFF";
        case VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS:
            return "ENTRY_INVALID_CONTROL_FIELDS";
        case VmInstructionError::ENTRY_INVALID_HOST_STATE:
            return "ENTRY_INVALID_HOST_STATE";
        case VmInstructionError::VMPTRLD_INVALID_PHYSICAL_ADDRESS:
            return "VMPTRLD_INVALID_PHYSICAL_ADDRESS";
        case VmInstructionError::VMPTRLD_VMXON_POINTER:
            return "VMPTRLD_VMXON_POINTER";
        case VmInstructionError::VMPTRLD_INCORRECT_REVISION:
            return "VMPTRLD_INCORRECT_REVISION";
        case VmInstructionError::UNSUPPORTED_VMCS_COMPONENT:
            return "UNSUPPORTED_VMCS_COMPONENT";
        case VmInstructionError::VMWRITE_READ_ONLY_COMPONENT:
            return "VMWRITE_READ_ONLY_COMPONENT";
        case VmInstructionError::VMXON_IN_VMX_ROOT:
            return "VMXON_IN_VMX_ROOT";
        case VmInstructionError::ENTRY_INVALID_EXECUTIVE_VMCS_POINTER:
            return "ENTRY_INVALID_EXECUTIVE_VMCS_POINTER";
        case VmInstructionError::ENTRY_NON_LAUNCHED_EXECUTIVE_VMCS:
            return "ENTRY_NON_LAUNCHED_EXECUTIVE_VMCS";
        case VmInstructionError::ENTRY_EXECUTIVE_POINTER_NOT_VMXON:
            return "ENTRY_EXECUTIVE_POINTER_NOT_VMXON";
        case VmInstructionError::VMCALL_NON_CLEAR_VMCS:
            return "VMCALL_NON_CLEAR_VMCS";
        case VmInstructionError::VMCALL_INVALID_EXIT_CONTROLS:
            return "VMCALL_INVALID_EXIT_CONTROLS";
        case VmInstructionError::VMCALL_INCORRECT_MSEG_REVISION:
            return "VMCALL_INCORRECT_MSEG_REVISION";
        case VmInstructionError::VMXOFF_UNDER_DUAL_MONITOR:
            return "VMXOFF_UNDER_DUAL_MONITOR";
        case VmInstructionError::VMCALL_INVALID_SMM_MONITOR_FEATURES:
            return "VMCALL_INVALID_SMM_MONITOR_FEATURES";
        case VmInstructionError::ENTRY_INVALID_EXECUTIVE_CONTROLS:
            return "ENTRY_INVALID_EXECUTIVE_CONTROLS";
        case VmInstructionError::ENTRY_EVENTS_BLOCKED_BY_MOV_SS:
            return "ENTRY_EVENTS_BLOCKED_BY_MOV_SS";
        case VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID:
            return "INVALID_OPERAND_TO_INVEPT_INVVPID";
    }
    return nullptr;
}

// What went wrong, in one sentence; nullptr like name().
constexpr const char* describe(VmInstructionError error) {
    switch (error) {
        case VmInstructionError::VMCALL_IN_VMX_ROOT:
            return "VMCALL was executed in VMX root operation.";
        case VmInstructionError::VMCLEAR_INVALID_PHYSICAL_ADDRESS:
            return "VMCLEAR was given an address that is unaligned or too wide.";
        case VmInstructionError::VMCLEAR_VMXON_POINTER:
            return "VMCLEAR was given the VMXON region.";
        case VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS:
            return "VMLAUNCH needs a VMCS in the clear state: use VMRESUME, or VMCLEAR it first.";
        case VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS:
            return "VMRESUME needs a VMCS that VMLAUNCH has launched.";
        case VmInstructionError::VMRESUME_AFTER_VMXOFF:
            return "VMXOFF and VMXON came between the launch and this VMRESUME.";
        case VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS:
            return "VM entry found a control field that the processor does not allow.";
        case VmInstructionError::ENTRY_INVALID_HOST_STATE:
            return "VM entry found a host-state field that cannot be loaded at VM exit.";
        case VmInstructionError::VMPTRLD_INVALID_PHYSICAL_ADDRESS:
            return "VMPTRLD was given an address that is unaligned or too wide.";
        case VmInstructionError::VMPTRLD_VMXON_POINTER:
            return "VMPTRLD was given the VMXON region.";
        case VmInstructionError::VMPTRLD_INCORRECT_REVISION:
            return "The VMCS starts with another revision identifier than IA32_VMX_BASIC names.";
        case VmInstructionError::UNSUPPORTED_VMCS_COMPONENT:
            return "VMREAD or VMWRITE named a field that this processor does not have.";
        case VmInstructionError::VMWRITE_READ_ONLY_COMPONENT:
            return "VMWRITE named a read-only field.";
        case VmInstructionError::VMXON_IN_VMX_ROOT:
            return "VMXON was executed while already in VMX root operation.";
        case VmInstructionError::ENTRY_INVALID_EXECUTIVE_VMCS_POINTER:
            return "VM entry from SMM found a malformed executive-VMCS pointer.";
        case VmInstructionError::ENTRY_NON_LAUNCHED_EXECUTIVE_VMCS:
            return "VM entry from SMM found an executive VMCS that was never launched.";
        case VmInstructionError::ENTRY_EXECUTIVE_POINTER_NOT_VMXON:
            return "Leaving dual-monitor treatment needs the executive pointer to be the VMXON pointer.";
        case VmInstructionError::VMCALL_NON_CLEAR_VMCS:
            return "Entering dual-monitor treatment needs a VMCS in the clear state.";
        case VmInstructionError::VMCALL_INVALID_EXIT_CONTROLS:
            return "Entering dual-monitor treatment found invalid VM-exit controls.";
        case VmInstructionError::VMCALL_INCORRECT_MSEG_REVISION:
            return "The MSEG header has another revision identifier than the processor expects.";
        case VmInstructionError::VMXOFF_UNDER_DUAL_MONITOR:
            return "VMXOFF is not allowed under dual-monitor treatment of SMIs.";
        case VmInstructionError::VMCALL_INVALID_SMM_MONITOR_FEATURES:
            return "The MSEG header asks for SMM-monitor features that do not exist.";
        case VmInstructionError::ENTRY_INVALID_EXECUTIVE_CONTROLS:
            return "VM entry from SMM found invalid execution controls in the executive VMCS.";
        case VmInstructionError::ENTRY_EVENTS_BLOCKED_BY_MOV_SS:
            return "VM entry directly after a MOV to or POP of SS is not allowed.";
        case VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID:
            return "INVEPT or INVVPID was given an unsupported type or a malformed descriptor.";
    }
    return nullptr;
}

}  // namespace vtless::x86
