// SPDX-License-Identifier: MIT
// Host-physical memory: the first GiB is mapped one to one. Frames for the backend, and the guest's EPT.
#pragma once

#include <cstdint>

#include "isa/addr.h"

namespace hypervisor {

// The HostMemory of NativeVmx: frames from 2 MiB on.
class FrameAllocator {
  public:
    bool allocate_frame(vtless::Hpa& frame);
    void free_frame(vtless::Hpa frame);
    uint8_t* map(vtless::Hpa frame) { return reinterpret_cast<uint8_t*>(frame.value()); }

  private:
    struct Free {
        Free* next;
    };
    Free* free_ = nullptr;
    uint64_t next_ = 0x200000;
};

// The guest's memory, 1 MiB from guest-physical 0 on: all there is, but for one page that is given on demand.
class GuestMemory {
  public:
    static constexpr uint64_t kBytes = 0x100000;
    static constexpr uint64_t kOnDemand = 0xf0000;

    explicit GuestMemory(FrameAllocator& frames);

    vtless::Hpa ept_root() const { return root_; }
    uint8_t* at(vtless::Gpa address);
    // False where no memory is to be.
    bool give(vtless::Gpa address);

  private:
    static constexpr uint64_t kBase = 0x800000;  // host-physical
    uint64_t* new_table();

    FrameAllocator& frames_;
    vtless::Hpa root_;
    uint64_t* leaves_ = nullptr;
};

}  // namespace hypervisor
