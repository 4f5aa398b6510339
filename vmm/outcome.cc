// SPDX-License-Identifier: MIT
#include "vmm/outcome.h"

#include <fmt/format.h>

#include "isa/x86/exit_reason.h"
#include "traces/exit_text.h"
#include "vcpu/vmx/failure.h"

namespace vtless::vmm {

namespace {

// With the name of the exit reason where only its number is in the exit.
std::string exit_text(const VmExit& exit) {
    std::string text = traces::exit_text(exit);
    const auto* unhandled = exit.get_if<VmExit::Unhandled>();
    if (unhandled == nullptr) return text;
    const char* reason = x86::name(x86::ExitReasonField{static_cast<uint32_t>(unhandled->raw)}.basic());
    return fmt::format("{} ({})", reason != nullptr ? reason : "unknown exit reason", text);
}

}  // namespace

Outcome Outcome::asked(const PowerRequest& request) {
    switch (request.kind) {
        case PowerRequest::Kind::Reset:
            return {Kind::Reset, request, {}, {}, {}};
        case PowerRequest::Kind::PowerOff:
            return {Kind::PowerOff, request, {}, {}, {}};
        case PowerRequest::Kind::DebugExit:
            break;
    }
    return {Kind::DebugExit, request, {}, {}, {}};
}

Outcome Outcome::failed(const VmExit& exit) {
    if (exit.is<VmExit::FailEntry>()) return {Kind::EntryFailure, {}, exit, {}, {}};
    const auto* unhandled = exit.get_if<VmExit::Unhandled>();
    const auto triple_fault = static_cast<uint64_t>(x86::ExitReason::TRIPLE_FAULT);
    if (unhandled != nullptr && (unhandled->raw & 0xffff) == triple_fault) {
        return {Kind::TripleFault, {}, exit, {}, {}};
    }
    return {Kind::GuestError, {}, exit, {}, {}};
}

std::string describe(const Outcome& outcome) {
    const std::string exit = outcome.exit ? exit_text(*outcome.exit) : "";
    switch (outcome.kind) {
        case Outcome::Kind::Reset:
            return fmt::format("the guest asked for a reset ({})", outcome.request.source);
        case Outcome::Kind::PowerOff:
            return fmt::format("the guest switched the machine off ({})", outcome.request.source);
        case Outcome::Kind::SystemDown:
            return "the guest switched the machine off (power-off port)";
        case Outcome::Kind::DebugExit:
            return fmt::format("the guest wrote {:#04x} to the debug exit port", outcome.request.value);
        case Outcome::Kind::TextSeen:
            return "the guest printed the text that the run waited for";
        case Outcome::Kind::Halted:
            return "the guest halted with interrupts off";
        case Outcome::Kind::MaxExits:
            return "the limit of exits is reached";
        case Outcome::Kind::MaxCycles:
            return "the limit of cycles is reached";
        case Outcome::Kind::Deadlock:
            return "the guest halted and nothing will ever interrupt it";
        case Outcome::Kind::TripleFault:
            return "the guest triple-faulted";
        case Outcome::Kind::EntryFailure:
            return fmt::format("VM entry failed: {}", exit);
        case Outcome::Kind::GuestError:
            return fmt::format("the guest caused an exit that nothing here answers: {}", exit);
        case Outcome::Kind::BackendError: {
            if (!outcome.error_text.empty())
                return fmt::format("the virtual processor failed: {}", outcome.error_text);
            char text[256];
            vmx::describe(*outcome.error, text, sizeof text);
            return fmt::format("the virtual processor failed: {}", text);
        }
    }
    return "?";
}

}  // namespace vtless::vmm
