// SPDX-License-Identifier: MIT
// All of what the processor says about a VM exit, as the SDM names it.
// SDM Vol. 3C "VM-Exit Information Fields" (25.9).
#pragma once

#include <cstdint>

#include "isa/x86/event_info.h"
#include "isa/x86/exit_reason.h"
#include "vcpu/vmx/vmcs.h"

namespace vtless::vmx {

struct RawVmxExit {
    x86::ExitReasonField exit_reason;
    uint64_t exit_qualification = 0;
    uint64_t guest_linear_address = 0;
    uint64_t guest_physical_address = 0;
    x86::EventInfo interruption_information;
    uint32_t interruption_error_code = 0;
    x86::EventInfo idt_vectoring_information;
    uint32_t idt_vectoring_error_code = 0;
    uint32_t instruction_length = 0;
    uint32_t instruction_information = 0;
    uint32_t vm_instruction_error = 0;

    template <x86::VmxHw Hw>
    static RawVmxExit read(Vmcs<Hw>& vmcs) {
        using x86::VmcsField;
        return {{vmcs.read32(VmcsField::EXIT_REASON)},
                vmcs.read(VmcsField::EXIT_QUALIFICATION),
                vmcs.read(VmcsField::GUEST_LINEAR_ADDRESS),
                vmcs.read(VmcsField::GUEST_PHYSICAL_ADDRESS),
                {vmcs.read32(VmcsField::VM_EXIT_INTERRUPTION_INFORMATION)},
                vmcs.read32(VmcsField::VM_EXIT_INTERRUPTION_ERROR_CODE),
                {vmcs.read32(VmcsField::IDT_VECTORING_INFORMATION)},
                vmcs.read32(VmcsField::IDT_VECTORING_ERROR_CODE),
                vmcs.read32(VmcsField::VM_EXIT_INSTRUCTION_LENGTH),
                vmcs.read32(VmcsField::VM_EXIT_INSTRUCTION_INFORMATION),
                vmcs.read32(VmcsField::VM_INSTRUCTION_ERROR)};
    }
};

// VmExit::FailEntry's reason. A VM entry that the processor began and gave up (reasons 33, 34, 41) is the
// exit reason as it stands, bit 31 set, with the low half of its qualification above; a VMLAUNCH or VMRESUME
// that failed is the VM-instruction error number, or kVmFailInvalid.
struct EntryFailure {
    uint64_t raw = 0;

    static constexpr uint64_t kVmFailInvalid = 0xffff;

    static constexpr EntryFailure from_exit(x86::ExitReasonField reason, uint64_t qualification) {
        return {reason.raw | qualification << 32};
    }
    constexpr bool began() const { return reason().entry_failure(); }
    constexpr x86::ExitReasonField reason() const { return {static_cast<uint32_t>(raw)}; }
    constexpr uint32_t qualification() const { return static_cast<uint32_t>(raw >> 32); }
    constexpr x86::VmInstructionError error() const { return static_cast<x86::VmInstructionError>(raw); }
};

}  // namespace vtless::vmx
