// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "vmm/device.h"

namespace vtless::vmm {

// Interrupt lines that remember their level and count their rising edges.
class FakeLines final : public InterruptLines {
  public:
    void set_line(unsigned line, bool level) override {
        if (level && !levels[line]) ++rises[line];
        levels[line] = level;
    }
    std::array<bool, 16> levels{};
    std::array<unsigned, 16> rises{};
};

}  // namespace vtless::vmm
