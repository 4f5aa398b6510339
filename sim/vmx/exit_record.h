// SPDX-License-Identifier: MIT
// What a VM exit reports. SDM Vol. 3C "Recording VM-Exit Information and Updating VM-Entry Control Fields"
// (28.2).
#pragma once

#include <cstdint>

#include "isa/x86/event_info.h"
#include "isa/x86/exit_reason.h"

namespace vtless::sim {

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
    bool resume_flag = false;  // RFLAGS.RF is saved as 1: a fault that delivery would have pushed so
};

}  // namespace vtless::sim
