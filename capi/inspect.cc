// SPDX-License-Identifier: MIT
// What happened, and why.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "capi/give_text.h"
#include "capi/outcome.h"
#include "capi/sized.h"
#include "explain/explain.h"
#include "isa/x86/exit_reason.h"

using namespace vtless;
using namespace vtless::capi;
using sim::VmxProcessor;
using x86::VmxStatus;
using F = x86::VmcsField;

namespace {

// Reads one field after another, until one cannot be read.
class FieldReader {
  public:
    explicit FieldReader(VmxProcessor& hw) : hw_(&hw) {}

    uint64_t get(F field) {
        uint64_t value = 0;
        if (status_.ok()) status_ = hw_->vmread(field, value);
        return value;
    }
    uint32_t get32(F field) { return static_cast<uint32_t>(get(field)); }
    VmxStatus status() const { return status_; }

  private:
    VmxProcessor* hw_;
    VmxStatus status_ = VmxStatus::succeed();
};

const char* exit_name(uint32_t reason) {
    const char* const name = x86::name(x86::ExitReasonField{reason}.basic());
    return name == nullptr ? "?" : name;
}

// make(dump, capabilities): the text.
template <class Make>
vtless_error give_text_of_vmcs(vtless_processor* processor, char* buffer, size_t capacity, size_t* length,
                               Make make) {
    if (const auto error = check(processor)) return error;
    if (capacity != 0) {
        if (const auto error = need(buffer, "buffer")) return error;
    }
    const VmxProcessor& hw = *processor->body->hw;
    const auto vmcs = hw.copy_vmcs();
    if (vmcs == nullptr) return refuse(VTLESS_NOTHING, "no VMCS is current");
    return give_text(make(explain::dump_of(*vmcs, hw.host_state().ia32e()), hw.capabilities()), buffer,
                     capacity, length);
}

}  // namespace

vtless_outcome vtless_last_exit(vtless_processor* processor, vtless_exit_info* info) {
    if (const auto error = check(processor, info, "info")) return misuse(error);
    if (const auto error = check_size<vtless_exit_info>(info->size, "vtless_exit_info")) return misuse(error);
    FieldReader vmcs(*processor->body->hw);
    vtless_exit_info known{};
    known.reason = vmcs.get32(F::EXIT_REASON);
    known.qualification = vmcs.get(F::EXIT_QUALIFICATION);
    known.guest_linear_address = vmcs.get(F::GUEST_LINEAR_ADDRESS);
    known.guest_physical_address = vmcs.get(F::GUEST_PHYSICAL_ADDRESS);
    known.instruction_length = vmcs.get32(F::VM_EXIT_INSTRUCTION_LENGTH);
    known.instruction_information = vmcs.get32(F::VM_EXIT_INSTRUCTION_INFORMATION);
    known.interruption_information = vmcs.get32(F::VM_EXIT_INTERRUPTION_INFORMATION);
    known.interruption_error_code = vmcs.get32(F::VM_EXIT_INTERRUPTION_ERROR_CODE);
    known.idt_vectoring_information = vmcs.get32(F::IDT_VECTORING_INFORMATION);
    known.idt_vectoring_error_code = vmcs.get32(F::IDT_VECTORING_ERROR_CODE);
    known.name = exit_name(known.reason);
    if (vmcs.status().ok()) give_sized(info, known);
    return outcome(vmcs.status());
}

vtless_error vtless_explain_entry(vtless_processor* processor, vtless_entry_failure* failure) {
    if (const auto error = check(processor, failure, "failure")) return error;
    if (const auto error = check_size<vtless_entry_failure>(failure->size, "vtless_entry_failure"))
        return error;
    const sim::VmxProcessor& hw = *processor->body->hw;
    const EntryExplanation* const why = hw.entry_explanation();
    if (why == nullptr && hw.vmx_abort() != 0)
        return refuse(VTLESS_NOTHING, "VMX abort {}: {}", hw.vmx_abort(), hw.vmx_abort_reason());
    if (why == nullptr) return refuse(VTLESS_NOTHING, "no check of the last VM entry failed");
    give_sized(failure, {0, 0, why->id, why->section, why->sentence, why->field, why->value, why->allowed});
    return VTLESS_OK;
}

vtless_error vtless_explain_vmcs(vtless_processor* processor, char* buffer, size_t capacity, size_t* length) {
    return give_text_of_vmcs(processor, buffer, capacity, length,
                             [](const explain::Dump& dump, const sim::VmxCapabilities& capabilities) {
                                 return explain::text_report(explain::explain(dump, capabilities));
                             });
}

vtless_error vtless_dump_vmcs(vtless_processor* processor, char* buffer, size_t capacity, size_t* length) {
    return give_text_of_vmcs(
        processor, buffer, capacity, length,
        [](const explain::Dump& dump, const sim::VmxCapabilities&) { return explain::write_json(dump); });
}

vtless_error vtless_counters(vtless_processor* processor, uint64_t* cycles, uint64_t* instructions) {
    if (const auto error = check(processor, cycles, "cycles")) return error;
    if (const auto error = need(instructions, "instructions")) return error;
    sim::Engine& engine = processor->body->hw->engine();
    *cycles = engine.cycles();
    *instructions = engine.instructions();
    return VTLESS_OK;
}

vtless_error vtless_stalled(vtless_processor* processor, uint32_t* stalled) {
    if (const auto error = check(processor, stalled, "stalled")) return error;
    *stalled = processor->body->hw->stalled() ? 1 : 0;
    return VTLESS_OK;
}
