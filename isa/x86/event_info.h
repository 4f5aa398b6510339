// SPDX-License-Identifier: MIT
// Event information words of the VMCS, and the non-register guest state that goes with events.
// SDM Vol. 3C "VM-Entry Controls for Event Injection" (25.8.3), "Information for VM Exits Due to Vectored
// Events" (25.9.2), "Information for VM Exits That Occur During Event Delivery" (25.9.3), "Guest Non-Register
// State" (25.4.2).
#pragma once

#include <cstdint>

#include "isa/bits.h"
#include "isa/x86/exception.h"

namespace vtless::x86 {

enum class EventType : uint8_t {
    EXTERNAL_INTERRUPT = 0,
    NMI = 2,
    HARDWARE_EXCEPTION = 3,
    SOFTWARE_INTERRUPT = 4,
    PRIVILEGED_SOFTWARE_EXCEPTION = 5,
    SOFTWARE_EXCEPTION = 6,
    OTHER = 7,
};

// VM-entry interruption information, VM-exit interruption information and IDT-vectoring information.
struct EventInfo {
    uint32_t raw = 0;

    static constexpr uint32_t kErrorCodeValid = uint32_t{1} << 11;
    static constexpr uint32_t kNmiUnblocking = uint32_t{1} << 12;  // VM exits; undefined in IDT-vectoring
    static constexpr uint32_t kValid = uint32_t{1} << 31;
    static constexpr uint32_t kEntryReserved = 0x7ffff000;  // of the VM-entry word

    constexpr uint8_t vector() const { return Field<7, 0, uint8_t>::get(raw); }
    constexpr EventType type() const { return Field<10, 8, EventType>::get(raw); }
    constexpr bool has_error_code() const { return (raw & kErrorCodeValid) != 0; }
    constexpr bool nmi_unblocking() const { return (raw & kNmiUnblocking) != 0; }
    constexpr bool valid() const { return (raw & kValid) != 0; }

    // INT n, INT3, INTO and INT1: the events whose injection needs an instruction length.
    constexpr bool is_software() const {
        return type() == EventType::SOFTWARE_INTERRUPT || type() == EventType::SOFTWARE_EXCEPTION ||
               type() == EventType::PRIVILEGED_SOFTWARE_EXCEPTION;
    }
    constexpr bool is_exception(Vector wanted) const {
        return valid() &&
               (type() == EventType::HARDWARE_EXCEPTION || type() == EventType::SOFTWARE_EXCEPTION) &&
               vector() == static_cast<uint8_t>(wanted);
    }

    static constexpr EventInfo make(EventType type, uint8_t vector, bool error_code = false) {
        return {kValid | (static_cast<uint32_t>(type) << 8) | vector | (error_code ? kErrorCodeValid : 0)};
    }
    static constexpr EventInfo external_interrupt(uint8_t vector) {
        return make(EventType::EXTERNAL_INTERRUPT, vector);
    }
    static constexpr EventInfo nmi() { return make(EventType::NMI, static_cast<uint8_t>(Vector::NMI)); }
    // #BP and #OF by their instructions are software exceptions: use make() for those.
    static constexpr EventInfo exception(Vector vector) {
        return make(EventType::HARDWARE_EXCEPTION, static_cast<uint8_t>(vector), x86::has_error_code(vector));
    }

    friend constexpr bool operator==(EventInfo, EventInfo) = default;
};

// Guest interruptibility state.
namespace interruptibility {
inline constexpr uint32_t BLOCKING_BY_STI = 1u << 0;
inline constexpr uint32_t BLOCKING_BY_MOV_SS = 1u << 1;
inline constexpr uint32_t BLOCKING_BY_SMI = 1u << 2;
inline constexpr uint32_t BLOCKING_BY_NMI = 1u << 3;
inline constexpr uint32_t ENCLAVE_INTERRUPTION = 1u << 4;
inline constexpr uint32_t kReserved = 0xffffffe0;
}  // namespace interruptibility

enum class ActivityState : uint32_t { ACTIVE = 0, HLT = 1, SHUTDOWN = 2, WAIT_FOR_SIPI = 3 };

// Pending debug exceptions: DR6 format, except for ENABLED_BREAKPOINT and the polarity of BLD and RTM.
namespace pending_debug {
inline constexpr uint64_t B0 = bit(0);
inline constexpr uint64_t B1 = bit(1);
inline constexpr uint64_t B2 = bit(2);
inline constexpr uint64_t B3 = bit(3);
inline constexpr uint64_t BLD = bit(11);
inline constexpr uint64_t ENABLED_BREAKPOINT = bit(12);
inline constexpr uint64_t BS = bit(14);
inline constexpr uint64_t RTM = bit(16);
inline constexpr uint64_t kReserved = ~(B0 | B1 | B2 | B3 | BLD | ENABLED_BREAKPOINT | BS | RTM);
}  // namespace pending_debug

}  // namespace vtless::x86
