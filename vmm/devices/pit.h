// SPDX-License-Identifier: MIT
// 8254 interval timer at ports 0x40-0x43 and system control port B (0x61). Counter 0 drives interrupt line
// 0; counter 2 is gated and seen through port 0x61.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/clock.h"
#include "vmm/device.h"
#include "vmm/devices/pit_counter.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {

class Pit final : public PortDevice, public TimedDevice {
  public:
    static constexpr uint64_t kHz = 1193182;

    Pit(const Clock& clock, InterruptLines& lines);
    void attach(PortBus& bus);

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;
    uint64_t next_event() const override;
    void advance(uint64_t now) override;

  private:
    uint64_t ticks() const { return clock_.ticks(kHz); }
    void write_control(uint8_t value);
    uint8_t read_control_port_b() const;

    const Clock& clock_;
    InterruptLines& lines_;
    std::array<PitCounter, 3> counters_;
    uint64_t next_rise_ = kNever;  // tick of counter 0's next interrupt
    uint8_t port_b_ = 0;
};

}  // namespace vtless::vmm
