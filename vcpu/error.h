// SPDX-License-Identifier: MIT
// Errors of the vCPU core and its backends: plain values. Text is made at the edge.
#pragma once

#include <cstdint>

#include "isa/expected.h"
#include "vcpu/state.h"

namespace vtless {

enum class VCpuErrc : uint8_t {
    BadState,            // the operation starts in another state: see from, to, actual
    Nested,              // an operation is in progress on this physical CPU: detail is its vCPU's id
    OtherBackend,        // the current vCPU is not a VCpu of the type asked for
    NotInitialized,      // PerCpu before init
    AlreadyInitialized,  // PerCpu: init a second time
    InvalidInput,        // an argument has no meaning: detail is the argument
    Unsupported,         // the processor or the backend cannot do it: detail is the backend's
    ResourceBusy,        // something else already uses the processor's virtualization
    NoMemory,            // no frame of host memory was left
    Backend,             // the backend or its hardware failed: detail is the backend's code
};

// Trivially copyable and 16 bytes, so that returning it costs nothing.
struct VCpuError {
    VCpuErrc code = VCpuErrc::Backend;
    VCpuState from = VCpuState::Invalid;    // BadState: the state the operation starts in,
    VCpuState to = VCpuState::Invalid;      // the one it leads to,
    VCpuState actual = VCpuState::Invalid;  // and the one the vCPU was in before it was refused.
    uint64_t detail = 0;

    static constexpr VCpuError bad_state(VCpuState from, VCpuState to, VCpuState actual) {
        return {VCpuErrc::BadState, from, to, actual, 0};
    }
    static constexpr VCpuError of(VCpuErrc code, uint64_t detail = 0) {
        return {code, VCpuState::Invalid, VCpuState::Invalid, VCpuState::Invalid, detail};
    }
    friend constexpr bool operator==(const VCpuError&, const VCpuError&) = default;
};

constexpr const char* name(VCpuErrc code) {
    switch (code) {
        case VCpuErrc::BadState:
            return "BadState";
        case VCpuErrc::Nested:
            return "Nested";
        case VCpuErrc::OtherBackend:
            return "OtherBackend";
        case VCpuErrc::NotInitialized:
            return "NotInitialized";
        case VCpuErrc::AlreadyInitialized:
            return "AlreadyInitialized";
        case VCpuErrc::InvalidInput:
            return "InvalidInput";
        case VCpuErrc::Unsupported:
            return "Unsupported";
        case VCpuErrc::ResourceBusy:
            return "ResourceBusy";
        case VCpuErrc::NoMemory:
            return "NoMemory";
        case VCpuErrc::Backend:
            return "Backend";
    }
    return "?";
}

template <class T, class E = VCpuError>
using Result = Expected<T, E>;

// `return fail(VCpuErrc::InvalidInput, index);`
constexpr Unexpected<VCpuError> fail(VCpuErrc code, uint64_t detail = 0) {
    return Unexpected(VCpuError::of(code, detail));
}

}  // namespace vtless
