// SPDX-License-Identifier: MIT
// The active VMCSs of a processor, and their image in the VMCS regions.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "sim/mmu/host_memory.h"
#include "sim/vmx/vmcs.h"

namespace vtless::sim {

// While a VMCS is active its data are here and its region is not looked at, as the SDM warns software. The
// format in the region is this processor's own; a region that VMCLEAR has not written reads as all zero.
// SDM Vol. 3C "Software Use of the VMCS and Related Structures" (25.11).
class VmcsStore {
  public:
    explicit VmcsStore(HostMemory& memory) : memory_(&memory) {}

    // The active VMCS at a 4-KiB aligned address in RAM, made active if it was not.
    Vmcs& activate(Hpa region);
    // nullptr when it is not active.
    Vmcs* find(Hpa region);
    // Writes the data to the region and makes the VMCS inactive and clear. One that is not active is cleared
    // in its region.
    void clear(Hpa region);

    // VMXOFF: VMCSs stay active, but those that are launched cannot be resumed any more.
    void outlive_vmx_operation() {
        for (const auto& [region, vmcs] : active_) vmcs->outlive_vmx_operation();
    }

    // The first four bytes of a region: revision identifier, and bit 31, the shadow-VMCS indicator.
    uint32_t header(Hpa region) const;
    // The VMX-abort indicator, bytes 7:4.
    void set_abort_indicator(Hpa region, uint32_t value);

  private:
    HostMemory* memory_;
    std::map<uint64_t, std::unique_ptr<Vmcs>> active_;
};

}  // namespace vtless::sim
