// SPDX-License-Identifier: MIT
// What VCpuError::detail says when a VmxVCpu or a VmxPerCpu fails.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/x86/msr.h"
#include "isa/x86/vmcs_field.h"
#include "isa/x86/vmx_status.h"
#include "vcpu/error.h"

namespace vtless::vmx {

enum class Failure : uint8_t {
    NoVmx = 1,       // CPUID.1:ECX.VMX is clear
    VmxeAlreadySet,  // CR4.VMXE: another hypervisor owns the processor
    FeatureControl,  // IA32_FEATURE_CONTROL is locked without VMX outside SMX
    FixedBits,       // subject: 0 or 4; value: low half of the bits of CR0 or CR4 that are not as VMXON wants
    VmxBasic,        // value: bits 63:32 of the IA32_VMX_BASIC that does not do
    MissingControls,  // subject: ControlGroup; value: bits that the processor does not allow to be 1
    EptCapability,    // value: missing bits of IA32_VMX_EPT_VPID_CAP
    MsrAccess,        // subject: vector of the fault; value: the MSR
    Instruction,      // subject: Instruction and VmxStatus::Kind; value: error number or error code
    VmcsAccess,       // value: encoding of the first field that VMREAD or VMWRITE refused
    EntryState,       // the GuestEntryState cannot be entered; value: which part (see setup_guest.h)
    NotBound,         // no VMCS is loaded
    NothingPending,   // a completion without the exit that asks for it
    QueueFull,        // value: capacity
    UnmappedFrame,    // host memory gave a frame that it cannot map
};

enum class ControlGroup : uint8_t { Pin, Primary, Secondary, Exit, Entry };

enum class Instruction : uint8_t {
    VMXON,
    VMXOFF,
    VMCLEAR,
    VMPTRLD,
    VMPTRST,
    ENTRY,
    INVEPT,
    INVVPID,
    XSETBV,
    MOV_CR
};

struct FailureDetail {
    Failure what = Failure::Instruction;
    uint16_t subject = 0;
    uint32_t value = 0;

    constexpr uint64_t encode() const {
        return static_cast<uint64_t>(what) << 56 | uint64_t{subject} << 32 | value;
    }
    static constexpr FailureDetail decode(uint64_t detail) {
        return {static_cast<Failure>(detail >> 56), static_cast<uint16_t>(detail >> 32),
                static_cast<uint32_t>(detail)};
    }
    friend constexpr bool operator==(const FailureDetail&, const FailureDetail&) = default;
};

constexpr Unexpected<VCpuError> fail_with(VCpuErrc code, Failure what, uint32_t value = 0,
                                          uint16_t subject = 0) {
    return fail(code, FailureDetail{what, subject, value}.encode());
}

constexpr Unexpected<VCpuError> missing(ControlGroup group, uint32_t bits) {
    return fail_with(VCpuErrc::Unsupported, Failure::MissingControls, bits, static_cast<uint16_t>(group));
}

constexpr Unexpected<VCpuError> msr_failed(x86::Msr msr, x86::VmxStatus status) {
    return fail_with(VCpuErrc::Backend, Failure::MsrAccess, static_cast<uint32_t>(msr),
                     static_cast<uint16_t>(status.vector()));
}

constexpr Unexpected<VCpuError> instruction_failed(Instruction instruction, x86::VmxStatus status) {
    const auto subject =
        static_cast<uint16_t>(static_cast<unsigned>(instruction) << 8 | static_cast<unsigned>(status.kind()));
    return fail_with(VCpuErrc::Backend, Failure::Instruction, status.error_code(), subject);
}

// Ok, or the instruction's failure.
constexpr Result<void> check(Instruction instruction, x86::VmxStatus status) {
    if (status.ok()) return {};
    return instruction_failed(instruction, status);
}

// Writes what happened, for people, as a string of at most size - 1 characters; returns its length.
size_t describe(const VCpuError& error, char* text, size_t size);

}  // namespace vtless::vmx
