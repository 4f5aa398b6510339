// SPDX-License-Identifier: MIT
// The virtual-APIC page of a VMCS. SDM Vol. 3C "Virtual APIC State" (30.1).
#pragma once

#include <cstdint>

#include "isa/x86/apic_register.h"
#include "sim/mmu/host_memory.h"
#include "sim/vmx/vmcs.h"

namespace vtless::sim {

// Offsets are those of apic_register.h. Outside RAM registers read as ones and writes are lost.
class VirtualApic {
  public:
    VirtualApic(const HostMemory& memory, Vmcs& vmcs)
        : memory_(memory), vmcs_(vmcs), page_(vmcs.get_address(x86::VmcsField::VIRTUAL_APIC_ADDRESS)) {}

    uint64_t read(unsigned offset, unsigned bytes) const;
    void write(unsigned offset, unsigned bytes, uint64_t value) const;

    // Bits 7:4 of VTPR, which CR8 is.
    unsigned task_priority_class() const {
        return static_cast<unsigned>(read(x86::apic_register::TPR, 1)) >> 4;
    }
    void set_task_priority_class(uint64_t priority) const {
        write(x86::apic_register::TPR, 4, priority << 4);
    }
    bool is_below_threshold() const {
        return task_priority_class() < (vmcs_.get32(x86::VmcsField::TPR_THRESHOLD) & 0xf);
    }

  private:
    const HostMemory& memory_;
    Vmcs& vmcs_;
    Hpa page_;
};

}  // namespace vtless::sim
