// SPDX-License-Identifier: MIT
// Outcomes of the processor's instructions, as C has them.
#pragma once

#include "capi/handles.h"
#include "isa/x86/vmx_status.h"

namespace vtless::capi {

inline vtless_outcome outcome(x86::VmxStatus status) {
    using Kind = x86::VmxStatus::Kind;
    switch (status.kind()) {
        case Kind::Succeed:
            break;
        case Kind::FailInvalid:
            return {VTLESS_FAIL_INVALID, 0, 0};
        case Kind::FailValid:
            return {VTLESS_FAIL_VALID, static_cast<uint32_t>(status.error()), 0};
        case Kind::Fault:
            return {VTLESS_FAULT, static_cast<uint32_t>(status.vector()), status.error_code()};
    }
    return {VTLESS_SUCCEED, 0, 0};
}

inline vtless_outcome undefined() { return outcome(x86::VmxStatus::fault(x86::Vector::UD)); }

// The instruction on a processor that can be used.
template <class Instruction>
vtless_outcome execute(vtless_processor* processor, Instruction instruction) {
    if (!usable(processor)) [[unlikely]]
        return misuse(refuse_handle(processor));
    return outcome(instruction(*processor->body->hw));
}

// One that gives a value.
template <class Value, class Instruction>
vtless_outcome execute(vtless_processor* processor, Value* value, Instruction instruction) {
    if (!usable(processor)) [[unlikely]]
        return misuse(refuse_handle(processor));
    if (value == nullptr) [[unlikely]]
        return misuse(need(value, "the pointer to the value"));
    return outcome(instruction(*processor->body->hw));
}

}  // namespace vtless::capi
