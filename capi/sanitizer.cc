// SPDX-License-Identifier: MIT
// The sanitizer, for a whole machine.
#include "sim/sanitizer/sanitizer.h"

#include "capi/give_text.h"
#include "capi/handles.h"
#include "vmm/sanitizer_report.h"

using namespace vtless;
using namespace vtless::capi;

vtless_error vtless_sanitize(vtless_machine* machine) {
    if (const auto error = check(machine)) return error;
    Machine& body = *machine->body;
    if (!body.processors.empty())
        return refuse(VTLESS_BAD_VALUE, "the machine has processors already, which are not watched");
    if (body.sanitizer == nullptr) body.sanitizer = std::make_unique<sim::Sanitizer>();
    return VTLESS_OK;
}

vtless_error vtless_finding_count(vtless_machine* machine, uint64_t* count) {
    if (const auto error = check(machine, count, "count")) return error;
    const sim::Sanitizer* sanitizer = machine->body->sanitizer.get();
    if (sanitizer == nullptr) return refuse(VTLESS_NOTHING, "the machine has no sanitizer");
    *count = sanitizer->findings().size() + sanitizer->dropped();
    return VTLESS_OK;
}

vtless_error vtless_findings(vtless_machine* machine, char* buffer, size_t capacity, size_t* length) {
    if (const auto error = check(machine)) return error;
    if (capacity != 0) {
        if (const auto error = need(buffer, "buffer")) return error;
    }
    const sim::Sanitizer* sanitizer = machine->body->sanitizer.get();
    if (sanitizer == nullptr) return refuse(VTLESS_NOTHING, "the machine has no sanitizer");
    return give_text(vmm::json_text(*sanitizer), buffer, capacity, length);
}

vtless_error vtless_note_event(vtless_processor* processor, uint64_t vmcs, uint32_t event) {
    if (const auto error = check(processor)) return error;
    const x86::EventInfo info{event};
    if (!info.valid())
        return refuse(VTLESS_BAD_VALUE, "the event {:#x} is not valid: bit 31 is clear", event);
    processor->body->hw->note_queued_event(Hpa(vmcs), info);
    return VTLESS_OK;
}
