// SPDX-License-Identifier: MIT
// The 64 Ki I/O ports and who answers at each.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "vmm/device.h"

namespace vtless::vmm {

struct PortRange {
    uint16_t first = 0;
    uint16_t count = 0;
};

class PortBus {
  public:
    PortBus();

    // Later attachments win. Accesses wider than `widest` reach the bus as several of that width, at
    // rising ports, low bytes first, as ISA did. The device must outlive the bus. At most 255 attachments.
    void attach(PortRange range, PortDevice& device, AccessWidth widest = AccessWidth::Byte);
    void detach(PortRange range);

    // A port where nobody answers reads as all ones and ignores writes.
    uint32_t read(uint16_t port, AccessWidth width);
    void write(uint16_t port, AccessWidth width, uint32_t value);

  private:
    struct Slot {
        PortDevice* device = nullptr;
        AccessWidth widest = AccessWidth::Dword;
    };
    std::vector<Slot> slots_;
    std::unique_ptr<std::array<uint8_t, 0x10000>> slot_of_port_;
};

}  // namespace vtless::vmm
