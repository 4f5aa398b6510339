// SPDX-License-Identifier: MIT
#include "vmm/vmx_machine_cpu.h"

#include <fmt/format.h>

namespace vtless::vmm {

namespace {

using x86::VmcsField;

constexpr size_t kCodeBytes = 16;

x86::Segment read_segment(SimVmxVCpu& arch, unsigned index) {
    auto nth = [&](VmcsField first) {
        return arch.read_field(static_cast<VmcsField>(x86::encoding(first) + 2 * index));
    };
    return {static_cast<uint16_t>(nth(VmcsField::GUEST_ES_SELECTOR)),
            nth(VmcsField::GUEST_ES_BASE),
            static_cast<uint32_t>(nth(VmcsField::GUEST_ES_LIMIT)),
            {static_cast<uint32_t>(nth(VmcsField::GUEST_ES_ACCESS_RIGHTS))}};
}

// As many bytes at CS:RIP as can be read, up to kCodeBytes.
std::vector<uint8_t> read_code(SimVmxVCpu& arch) {
    const Gva start = arch.gla2gva(arch.read_field(VmcsField::GUEST_RIP));
    std::vector<uint8_t> code(kCodeBytes);
    size_t good = 0;
    while (good < code.size() && arch.read_guest(start + good, std::span(code).subspan(good, 1)).ok()) ++good;
    code.resize(good);
    return code;
}

std::vector<std::pair<std::string, uint64_t>> read_exit_information(SimVmxVCpu& arch) {
    const vmx::RawVmxExit raw = arch.raw_exit();
    const char* reason = x86::name(raw.exit_reason.basic());
    return {{fmt::format("EXIT_REASON ({})", reason != nullptr ? reason : "unknown"), raw.exit_reason.raw},
            {"EXIT_QUALIFICATION", raw.exit_qualification},
            {"GUEST_LINEAR_ADDRESS", raw.guest_linear_address},
            {"GUEST_PHYSICAL_ADDRESS", raw.guest_physical_address},
            {"VM_EXIT_INTERRUPTION_INFORMATION", raw.interruption_information.raw},
            {"VM_EXIT_INTERRUPTION_ERROR_CODE", raw.interruption_error_code},
            {"IDT_VECTORING_INFORMATION", raw.idt_vectoring_information.raw},
            {"IDT_VECTORING_ERROR_CODE", raw.idt_vectoring_error_code},
            {"VM_EXIT_INSTRUCTION_LENGTH", raw.instruction_length},
            {"VM_INSTRUCTION_ERROR", raw.vm_instruction_error},
            {"GUEST_INTERRUPTIBILITY_STATE", arch.read_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE)},
            {"GUEST_ACTIVITY_STATE", arch.read_field(VmcsField::GUEST_ACTIVITY_STATE)}};
}

}  // namespace

ProcessorState read_processor_state(SimVmxVCpu& arch, const sim::VmxProcessor& processor) {
    const ExitRegisters registers = read_exit_registers(arch);
    ProcessorState state;
    state.gprs = registers.gprs;
    state.rip = registers.rip;
    state.rflags = registers.rflags;
    state.cr0 = registers.cr0;
    state.cr2 = processor.read_cr2();
    state.cr3 = registers.cr3;
    state.cr4 = registers.cr4;
    state.efer = arch.read_field(VmcsField::GUEST_IA32_EFER);
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i) state.segments[i] = read_segment(arch, i);
    state.gdtr = {arch.read_field(VmcsField::GUEST_GDTR_BASE),
                  static_cast<uint16_t>(arch.read_field(VmcsField::GUEST_GDTR_LIMIT))};
    state.idtr = {arch.read_field(VmcsField::GUEST_IDTR_BASE),
                  static_cast<uint16_t>(arch.read_field(VmcsField::GUEST_IDTR_LIMIT))};
    state.exit_information = read_exit_information(arch);
    state.code = read_code(arch);
    if (const EntryExplanation* why = processor.entry_explanation()) state.note = describe(*why);
    if (processor.vmx_abort() != 0)
        state.note = fmt::format("VMX abort {}: {}", processor.vmx_abort(), processor.vmx_abort_reason());
    return state;
}

}  // namespace vtless::vmm
