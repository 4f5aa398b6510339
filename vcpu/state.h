// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace vtless {

// AxVCpu 0.3's states, with its values.
enum class VCpuState : uint8_t {
    Invalid = 0,  // an operation failed; only set_state leads out
    Created = 1,  // not set up yet
    Free = 2,     // set up, bound to no physical CPU
    Ready = 3,    // bound, not executing
    Running = 4,  // inside run
    Blocked = 5,  // never entered by this layer; for the VMM, through transition_state
};

constexpr const char* name(VCpuState state) {
    switch (state) {
        case VCpuState::Invalid:
            return "Invalid";
        case VCpuState::Created:
            return "Created";
        case VCpuState::Free:
            return "Free";
        case VCpuState::Ready:
            return "Ready";
        case VCpuState::Running:
            return "Running";
        case VCpuState::Blocked:
            return "Blocked";
    }
    return "?";
}

}  // namespace vtless
