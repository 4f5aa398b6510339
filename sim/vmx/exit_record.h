// SPDX-License-Identifier: MIT
// What a VM exit reports. SDM Vol. 3C "Recording VM-Exit Information and Updating VM-Entry Control Fields"
// (28.2).
#pragma once

#include <cstdint>

#include "isa/x86/event_info.h"
#include "isa/x86/exit_reason.h"

namespace vtless::sim {

// How RFLAGS.RF is saved. SDM Vol. 3C "Saving RIP, RSP, RFLAGS, and SSP" (28.3.3).
enum class ResumeFlag : uint8_t {
    Kept,     // as it was: what comes between instructions
    Cleared,  // an instruction that exits by its nature or by a control
    Set,      // a fault, or an EPT violation outside event delivery
};

struct ExitRecord {
    uint32_t reason = 0;  // the whole field
    uint64_t qualification = 0;
    uint32_t instruction_length = 0;
    uint32_t instruction_information = 0;
    uint64_t guest_linear = 0;
    uint64_t guest_physical = 0;
    x86::EventInfo interruption{};
    uint32_t interruption_error_code = 0;
    x86::EventInfo idt_vectoring{};
    uint32_t idt_vectoring_error_code = 0;
    ResumeFlag resume_flag = ResumeFlag::Kept;
};

}  // namespace vtless::sim
