// SPDX-License-Identifier: MIT
// Delivery of interrupts and exceptions through the IDT or IVT.
// SDM Vol. 3A "Interrupt and Exception Handling" (6), "Real-Address Mode" (21.1.4, 21.3).
#pragma once

#include <cstdint>

#include "isa/x86/event_info.h"
#include "isa/x86/exception.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

struct Event {
    uint8_t vector = 0;
    x86::EventType type = x86::EventType::HARDWARE_EXCEPTION;
    bool has_error_code = false;
    uint32_t error_code = 0;
    uint8_t instruction_length = 0;  // software events: bytes that the saved RIP lies behind RIP
    bool resume_flag = false;        // RFLAGS.RF is set, or the event is a #DB of fault class: saves RF as 1

    static constexpr Event exception(x86::Vector vector) {
        return {static_cast<uint8_t>(vector), x86::EventType::HARDWARE_EXCEPTION, false, 0, 0};
    }
    static constexpr Event exception(x86::Vector vector, uint32_t error_code) {
        return {static_cast<uint8_t>(vector), x86::EventType::HARDWARE_EXCEPTION, true, error_code, 0};
    }
    static constexpr Event external_interrupt(uint8_t vector) {
        return {vector, x86::EventType::EXTERNAL_INTERRUPT, false, 0, 0};
    }
    static constexpr Event nmi() {
        return {static_cast<uint8_t>(x86::Vector::NMI), x86::EventType::NMI, false, 0, 0};
    }
    // INT n; INT3 and INTO are SOFTWARE_EXCEPTION, INT1 is PRIVILEGED_SOFTWARE_EXCEPTION.
    static constexpr Event software(x86::EventType type, uint8_t vector, uint8_t length) {
        return {vector, type, false, 0, length};
    }

    friend constexpr bool operator==(const Event&, const Event&) = default;
};

struct DeliveryResult {
    enum class Kind : uint8_t {
        Delivered,
        Fault,     // `nested` was raised; for a #PF `cr2` is the address that CR2 gets when it is delivered
        MmuExit,   // `mmu`: an EPT violation or misconfiguration
        TaskGate,  // the IDT entry is a task gate to a task that could be switched to: `task` is the selector
                   // of its TSS; nothing was done
    };

    Kind kind = Kind::Delivered;
    uint16_t task = 0;
    Event nested;
    uint64_t cr2 = 0;
    MmuFault mmu;
};

// Whether the RFLAGS that delivery saves have RF set.
bool saves_resume_flag(const Event& event);

// Delivers to the handler: afterwards RIP is the handler's first instruction, and the interrupt shadow is
// gone. Changes nothing unless Delivered, but for accessed and dirty bits, and stack bytes below the old or
// new stack pointer. Does not write CR2 or DR6, which come before delivery. mmu must have the paging state of
// cpu. Whether the event may be taken at all (IF, shadow, NMI blocking) is the caller's to judge.
DeliveryResult deliver_event(CpuState& cpu, Mmu& mmu, const Event& event);

// What to do about `second`, raised while `first` was being delivered: deliver it, deliver a double fault
// in its place, or shut down. SDM Vol. 3A table 6-5.
struct Combination {
    bool triple_fault = false;
    Event event;  // unless triple_fault
};
Combination combine(const Event& first, const Event& second);

}  // namespace vtless::sim
