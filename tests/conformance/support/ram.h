// SPDX-License-Identifier: MIT
// The memory of a VM under test: layout::kRamBytes, all of it mapped RWX by an EPT.
#pragma once

#include "sim/mmu/host_memory.h"
#include "vmm/memory/ept_table.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::conformance {

class Ram {
  public:
    Ram();
    Ram(const Ram&) = delete;
    Ram& operator=(const Ram&) = delete;

    sim::HostMemory& host() { return host_; }
    vmm::GuestMemory& guest() { return guest_; }
    Hpa ept_root() const { return ept_.root(); }
    // The entry of EPT that maps the page.
    uint64_t& ept_entry(Gpa page);

  private:
    sim::HostMemory host_;
    vmm::EptTable<sim::HostMemory> ept_;
    vmm::GuestMemory guest_;
};

// Throws what does not hold.
void require(bool good, const char* what);

}  // namespace vtless::conformance
