// SPDX-License-Identifier: MIT
// How a run ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vcpu/error.h"
#include "vcpu/exit.h"
#include "vmm/power.h"

namespace vtless::vmm {

struct Outcome {
    enum class Kind : uint8_t {
        Reset,       // the guest asked for a reset,
        PowerOff,    // to be switched off,
        SystemDown,  // the same, through the backend's power-off port,
        DebugExit,   // or wrote the debug exit port
        TextSeen,    // the guest printed what the run was to wait for
        Halted,      // HLT with interrupts off
        MaxExits,    // the limits of the run
        MaxCycles,
        Deadlock,  // HLT with interrupts on, and no device that would ever interrupt
        TripleFault,
        EntryFailure,  // the processor refused the guest's state
        GuestError,    // an exit that this VMM has no answer to
        BackendError,  // VCpu::run or a completion failed
    };

    Kind kind = Kind::Halted;
    PowerRequest request;            // Reset, PowerOff, DebugExit
    std::optional<VmExit> exit;      // TripleFault, EntryFailure, GuestError
    std::optional<VCpuError> error;  // BackendError
    std::string error_text{};        // where the backend is not the VMX one

    static Outcome of(Kind kind) { return {kind, {}, {}, {}, {}}; }
    static Outcome asked(const PowerRequest& request);
    static Outcome failed(const VmExit& exit);
    static Outcome backend_error(const VCpuError& error) { return {Kind::BackendError, {}, {}, error, {}}; }

    bool guest_failed() const { return kind >= Kind::Deadlock; }
    bool limit_reached() const { return kind == Kind::MaxExits || kind == Kind::MaxCycles; }
};

// One sentence for people, without a full stop.
std::string describe(const Outcome& outcome);

}  // namespace vtless::vmm
