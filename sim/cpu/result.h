// SPDX-License-Identifier: MIT
// How a system instruction ended.
#pragma once

#include <cstdint>

#include "sim/cpu/event_delivery.h"
#include "sim/mmu/access.h"

namespace vtless::sim {

// What the instruction did to translations. The Mmu has been told already; the engine's own TLB has not.
enum class TlbEffect : uint8_t {
    None,
    Permissions,  // nothing flushed, but CR0.WP, CR0.PE, SMEP, SMAP or NXE now allow something else
    Page,         // the page of `flushed`
    NonGlobal,
    All,
};

struct [[nodiscard]] CpuResult {
    enum class Kind : uint8_t {
        Done,
        Fault,       // `event`; for a #PF `cr2` is the address. Nothing changed, RIP included.
        MmuExit,     // `mmu`: what EPT does, or an APIC access. Nothing changed.
        TaskSwitch,  // far transfers, IRET: a switch to `task` is due, which in VMX non-root operation is an
                     // exit; switch_task makes it
    };

    Kind kind = Kind::Done;
    TlbEffect tlb = TlbEffect::None;
    uint16_t task = 0;
    Event event;
    uint64_t cr2 = 0;
    Gva flushed;
    MmuFault mmu;

    constexpr bool done() const { return kind == Kind::Done; }

    static CpuResult ok(TlbEffect effect = TlbEffect::None) {
        CpuResult result;
        result.tlb = effect;
        return result;
    }
    static CpuResult fault(x86::Vector vector) {
        CpuResult result;
        result.kind = Kind::Fault;
        result.event = Event::exception(vector);
        return result;
    }
    static CpuResult fault(x86::Vector vector, uint32_t error_code) {
        CpuResult result;
        result.kind = Kind::Fault;
        result.event = Event::exception(vector, error_code);
        return result;
    }
    static CpuResult general_protection(uint32_t error_code = 0) {
        return fault(x86::Vector::GP, error_code);
    }
    // A failed access; a non-canonical address is #GP(0), or #SS(0) through the stack segment.
    static CpuResult of(const MmuFault& mmu_fault, bool stack = false);
};

}  // namespace vtless::sim
