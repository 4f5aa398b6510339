// SPDX-License-Identifier: MIT
// Exit qualifications as values. SDM Vol. 3C "Basic VM-Exit Information" (28.2.1).
// decode() ignores undefined bits; encode() leaves them clear.
#pragma once

#include <cstdint>

#include "isa/bits.h"
#include "isa/x86/registers.h"

namespace vtless::x86 {

struct IoQualification {
    uint8_t size = 1;  // bytes: 1, 2 or 4
    bool in = false;
    bool string = false;
    bool rep = false;
    bool immediate = false;  // port in the instruction, not in DX
    uint16_t port = 0;

    static constexpr IoQualification decode(uint64_t raw) {
        return {static_cast<uint8_t>(Field<2, 0>::get(raw) + 1),
                Field<3, 3, bool>::get(raw),
                Field<4, 4, bool>::get(raw),
                Field<5, 5, bool>::get(raw),
                Field<6, 6, bool>::get(raw),
                Field<31, 16, uint16_t>::get(raw)};
    }
    constexpr uint64_t encode() const {
        return (size - 1u) | (in ? bit(3) : 0) | (string ? bit(4) : 0) | (rep ? bit(5) : 0) |
               (immediate ? bit(6) : 0) | uint64_t{port} << 16;
    }
    friend constexpr bool operator==(const IoQualification&, const IoQualification&) = default;
};

enum class CrAccessType : uint8_t { MOV_TO, MOV_FROM, CLTS, LMSW };

struct CrAccessQualification {
    uint8_t cr = 0;
    CrAccessType type = CrAccessType::MOV_TO;
    bool lmsw_memory = false;
    Gpr gpr = Gpr::RAX;
    uint16_t lmsw_source = 0;

    static constexpr CrAccessQualification decode(uint64_t raw) {
        return {Field<3, 0, uint8_t>::get(raw), Field<5, 4, CrAccessType>::get(raw),
                Field<6, 6, bool>::get(raw), Field<11, 8, Gpr>::get(raw), Field<31, 16, uint16_t>::get(raw)};
    }
    constexpr uint64_t encode() const {
        return (cr & 0xfu) | static_cast<uint64_t>(type) << 4 | (lmsw_memory ? bit(6) : 0) |
               static_cast<uint64_t>(gpr) << 8 | uint64_t{lmsw_source} << 16;
    }
    friend constexpr bool operator==(const CrAccessQualification&, const CrAccessQualification&) = default;
};

struct DrAccessQualification {
    uint8_t dr = 0;
    bool from_dr = false;  // MOV from the debug register
    Gpr gpr = Gpr::RAX;

    static constexpr DrAccessQualification decode(uint64_t raw) {
        return {Field<2, 0, uint8_t>::get(raw), Field<4, 4, bool>::get(raw), Field<11, 8, Gpr>::get(raw)};
    }
    constexpr uint64_t encode() const {
        return (dr & 7u) | (from_dr ? bit(4) : 0) | static_cast<uint64_t>(gpr) << 8;
    }
    friend constexpr bool operator==(const DrAccessQualification&, const DrAccessQualification&) = default;
};

enum class TaskSwitchSource : uint8_t { CALL, IRET, JMP, IDT_TASK_GATE };

struct TaskSwitchQualification {
    uint16_t selector = 0;
    TaskSwitchSource source = TaskSwitchSource::CALL;

    static constexpr TaskSwitchQualification decode(uint64_t raw) {
        return {Field<15, 0, uint16_t>::get(raw), Field<31, 30, TaskSwitchSource>::get(raw)};
    }
    constexpr uint64_t encode() const { return selector | static_cast<uint64_t>(source) << 30; }
    friend constexpr bool operator==(const TaskSwitchQualification&,
                                     const TaskSwitchQualification&) = default;
};

struct DebugQualification {
    uint8_t breakpoints = 0;             // B3:B0
    bool bus_lock = false;               // BLD
    bool debug_register_access = false;  // BD
    bool single_step = false;            // BS
    bool rtm = false;

    static constexpr DebugQualification decode(uint64_t raw) {
        return {Field<3, 0, uint8_t>::get(raw), Field<11, 11, bool>::get(raw), Field<13, 13, bool>::get(raw),
                Field<14, 14, bool>::get(raw), Field<16, 16, bool>::get(raw)};
    }
    constexpr uint64_t encode() const {
        return (breakpoints & 0xfu) | (bus_lock ? bit(11) : 0) | (debug_register_access ? bit(13) : 0) |
               (single_step ? bit(14) : 0) | (rtm ? bit(16) : 0);
    }
    friend constexpr bool operator==(const DebugQualification&, const DebugQualification&) = default;
};

enum class ApicAccessType : uint8_t {
    LINEAR_READ = 0,
    LINEAR_WRITE = 1,
    LINEAR_FETCH = 2,
    LINEAR_EVENT_DELIVERY = 3,
    PHYSICAL_EVENT_DELIVERY = 10,
    PHYSICAL_FETCH_OR_EXECUTION = 15,
};

struct ApicAccessQualification {
    uint16_t offset = 0;  // within the APIC page; defined for linear accesses
    ApicAccessType type = ApicAccessType::LINEAR_READ;
    bool asynchronous = false;  // not caused by an instruction nor by event delivery

    static constexpr ApicAccessQualification decode(uint64_t raw) {
        return {Field<11, 0, uint16_t>::get(raw), Field<15, 12, ApicAccessType>::get(raw),
                Field<16, 16, bool>::get(raw)};
    }
    constexpr uint64_t encode() const {
        return (offset & 0xfffu) | static_cast<uint64_t>(type) << 12 | (asynchronous ? bit(16) : 0);
    }
    friend constexpr bool operator==(const ApicAccessQualification&,
                                     const ApicAccessQualification&) = default;
};

struct EptViolationQualification {
    uint64_t raw = 0;

    static constexpr uint64_t READ = bit(0);
    static constexpr uint64_t WRITE = bit(1);
    static constexpr uint64_t FETCH = bit(2);
    static constexpr uint64_t READABLE = bit(3);
    static constexpr uint64_t WRITABLE = bit(4);
    static constexpr uint64_t EXECUTABLE = bit(5);
    static constexpr uint64_t USER_EXECUTABLE = bit(6);  // with mode-based execute control
    static constexpr uint64_t LINEAR_ADDRESS_VALID = bit(7);
    // Set: the access to the translated address; clear: to a paging-structure entry, or its A/D update.
    static constexpr uint64_t FINAL_TRANSLATION = bit(8);
    // Bits 11:9 are defined with FINAL_TRANSLATION and advanced VM-exit information.
    static constexpr uint64_t USER_LINEAR_ADDRESS = bit(9);
    static constexpr uint64_t LINEAR_ADDRESS_WRITABLE = bit(10);
    static constexpr uint64_t LINEAR_ADDRESS_EXECUTE_DISABLED = bit(11);
    static constexpr uint64_t NMI_UNBLOCKING = bit(12);
    static constexpr uint64_t SHADOW_STACK_ACCESS = bit(13);
    static constexpr uint64_t SUPERVISOR_SHADOW_STACK = bit(14);
    static constexpr uint64_t GUEST_PAGING_VERIFICATION = bit(15);
    static constexpr uint64_t ASYNCHRONOUS = bit(16);
    static constexpr uint64_t kDefined = bit_range(16, 0);

    static constexpr EptViolationQualification decode(uint64_t qualification) {
        return {qualification & kDefined};
    }
    constexpr uint64_t encode() const { return raw; }

    constexpr bool has(uint64_t bits) const { return (raw & bits) == bits; }
    constexpr bool read() const { return has(READ); }
    constexpr bool write() const { return has(WRITE); }
    constexpr bool fetch() const { return has(FETCH); }
    constexpr bool readable() const { return has(READABLE); }
    constexpr bool writable() const { return has(WRITABLE); }
    constexpr bool executable() const { return has(EXECUTABLE); }
    constexpr bool user_executable() const { return has(USER_EXECUTABLE); }
    constexpr bool gla_valid() const { return has(LINEAR_ADDRESS_VALID); }
    constexpr bool final_translation() const { return has(FINAL_TRANSLATION); }
    constexpr bool nmi_unblocking() const { return has(NMI_UNBLOCKING); }

    friend constexpr bool operator==(EptViolationQualification, EptViolationQualification) = default;
};

}  // namespace vtless::x86
