// SPDX-License-Identifier: MIT
// VMREAD and VMWRITE of a guest. SDM Vol. 3C "VMCS Shadowing Bitmap Addresses" (25.6.15), "VMX
// Instructions" (31.3): VMREAD and VMWRITE.
#include "isa/x86/rflags.h"
#include "sim/cpu/operand.h"
#include "sim/vmx/instruction_operands.h"
#include "sim/vmx/non_root.h"
#include "sim/vmx/vmx_operation.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::SecondaryControls;
using F = x86::VmcsField;
using Next = NonRoot::Next;

namespace {

constexpr unsigned kBitmapEncodings = 1u << 15;

// SDM Vol. 3C "Conventions" (31.2).
uint64_t flags_of(x86::VmxStatus status) {
    switch (status.kind()) {
        case x86::VmxStatus::Kind::FailInvalid:
            return x86::rflags::CF;
        case x86::VmxStatus::Kind::FailValid:
            return x86::rflags::ZF;
        default:
            return 0;
    }
}

}  // namespace

bool NonRoot::shadow_access_exits(uint64_t encoding, bool write) const {
    if (!vmcs_->secondary().has(SecondaryControls::VMCS_SHADOWING) || encoding >= kBitmapEncodings)
        return true;
    const F bitmap = write ? F::VMWRITE_BITMAP_ADDRESS : F::VMREAD_BITMAP_ADDRESS;
    const uint8_t* bytes = parts_.memory.map(vmcs_->get_address(bitmap));
    return bytes == nullptr || (bytes[encoding / 8] >> (encoding % 8) & 1) != 0;
}

// The exit comes before the check of the CPL.
Next NonRoot::access_vmcs(const StoppedInstruction& instruction) {
    const bool write = instruction.id == Instruction::VMWRITE;
    const unsigned bytes = instruction.operand_size;
    const uint64_t encoding = read_gpr(instruction.gpr2, bytes);
    if (shadow_access_exits(encoding, write)) {
        exit_.instruction_information = instruction_information(instruction);
        return exit_for(instruction, write ? ExitReason::VMWRITE : ExitReason::VMREAD,
                        displacement_qualification(cpu(), instruction));
    }
    if (engine().cpl() != 0) return raise_gp();
    return write ? write_shadow(instruction, static_cast<F>(encoding))
                 : read_shadow(instruction, static_cast<F>(encoding));
}

Next NonRoot::read_shadow(const StoppedInstruction& instruction, F field) {
    const Hpa link = vmcs_->get_address(F::VMCS_LINK_POINTER);
    uint64_t value = 0;
    x86::VmxStatus status = x86::VmxStatus::fail_invalid();
    if (link.value() != ~uint64_t{0}) status = parts_.operation.read_shadow(link, field, value);
    if (status.ok() && instruction.has_memory) {
        const auto bytes = std::as_bytes(std::span(&value, 1)).first(instruction.operand_size);
        const CpuResult stored = write_memory(cpu(), parts_.mmu, instruction, bytes);
        if (!stored.done()) return finish(instruction, stored);
    } else if (status.ok()) {
        write_gpr(instruction.gpr, instruction.operand_size, value);
    }
    return end_shadow_access(instruction, status);
}

Next NonRoot::write_shadow(const StoppedInstruction& instruction, F field) {
    const Hpa link = vmcs_->get_address(F::VMCS_LINK_POINTER);
    uint64_t value = 0;
    if (instruction.has_memory) {
        const auto bytes = std::as_writable_bytes(std::span(&value, 1)).first(instruction.operand_size);
        const CpuResult loaded = read_memory(cpu(), parts_.mmu, instruction, bytes);
        if (!loaded.done()) return finish(instruction, loaded);
    } else {
        value = read_gpr(instruction.gpr, instruction.operand_size);
    }
    x86::VmxStatus status = x86::VmxStatus::fail_invalid();
    if (link.value() != ~uint64_t{0}) status = parts_.operation.write_shadow(link, field, value);
    return end_shadow_access(instruction, status);
}

Next NonRoot::end_shadow_access(const StoppedInstruction& instruction, x86::VmxStatus status) {
    const uint64_t flags = engine().rflags() & ~x86::rflags::kArithmetic;
    engine().edit_state().set_rflags(flags | flags_of(status));
    complete(instruction);
    return Next::Run;
}

}  // namespace vtless::sim
