// SPDX-License-Identifier: MIT
// Guest-physical ranges that are devices, not memory.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/device.h"

namespace vtless::vmm {

class MmioBus {
  public:
    // False if the range is empty, wraps or overlaps one that is there. The device must outlive the bus.
    [[nodiscard]] bool attach(Gpa first, uint64_t size, MmioDevice& device);

    // Where nobody answers, reads are all ones (of the width) and writes are lost.
    uint64_t read(Gpa address, AccessWidth width);
    void write(Gpa address, AccessWidth width, uint64_t value);

  private:
    struct Range {
        Gpa first;
        uint64_t size = 0;
        MmioDevice* device = nullptr;
    };
    MmioDevice* find(Gpa address) const;

    std::vector<Range> ranges_;
};

}  // namespace vtless::vmm
