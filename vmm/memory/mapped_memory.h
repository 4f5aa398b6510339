// SPDX-License-Identifier: MIT
// Host-physical memory, a guest's memory in it, and the EPT through which the guest reaches that.
#pragma once

#include <optional>
#include <utility>

#include "sim/mmu/host_memory.h"
#include "vmm/error.h"
#include "vmm/memory/ept_table.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

class MappedMemory {
  public:
    // Room for the guest, and for EPT and VMX structures. rom: bytes of read-only memory that end at 4 GiB;
    // may be 0. Both are multiples of 4 KiB.
    static Result<MappedMemory> create(const MemoryLayout& layout, uint64_t rom);
    // Once, and no move after it.
    Result<void> map_guest(const MemoryLayout& layout, uint64_t rom);

    sim::HostMemory& host() { return memory_; }
    GuestMemory& guest() { return guest_memory_; }
    Hpa ept_root() const { return ept_->root(); }

  private:
    explicit MappedMemory(sim::HostMemory&& memory) : memory_(std::move(memory)) {}

    bool map_region(Gpa first, uint64_t size, Hpa host, bool writable);

    sim::HostMemory memory_;
    GuestMemory guest_memory_;
    std::optional<EptTable<sim::HostMemory>> ept_;
};

}  // namespace vtless::vmm
