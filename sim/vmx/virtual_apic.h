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

    // Virtual-interrupt delivery. Of the guest interrupt status: the vector that is requested and the one in
    // service, the highest of each.
    uint8_t requested() const { return static_cast<uint8_t>(status()); }
    uint8_t in_service() const { return static_cast<uint8_t>(status() >> 8); }
    void virtualize_ppr() const;
    // Whether the requested vector is above VPPR.
    bool has_pending() const;
    void request(uint8_t vector) const;
    // The vector that has been in service; the next one is.
    uint8_t end_interrupt() const;
    // The requested vector, which is in service now.
    uint8_t begin_interrupt() const;
    // Takes over what the posted-interrupt descriptor at this address requests, and clears its ON bit.
    void take_posted(Hpa descriptor) const;

  private:
    uint16_t status() const { return vmcs_.get16(x86::VmcsField::GUEST_INTERRUPT_STATUS); }
    void set_status(uint8_t requested, uint8_t in_service) const {
        vmcs_.set(x86::VmcsField::GUEST_INTERRUPT_STATUS, requested | uint64_t{in_service} << 8);
    }
    // Of VISR or VIRR, named by its first register.
    void set_bit(unsigned registers, uint8_t vector, bool value) const;
    uint8_t highest(unsigned registers) const;  // 0: none

    const HostMemory& memory_;
    Vmcs& vmcs_;
    Hpa page_;
};

}  // namespace vtless::sim
