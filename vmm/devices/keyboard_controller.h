// SPDX-License-Identifier: MIT
// 8042 keyboard controller (ports 0x60, 0x64) with nothing plugged in: self-test, command byte, output port
// with A20, and the reset pulse. And the fast A20 and reset gate at port 0x92. IBM PS/2 Technical Reference.
#pragma once

#include <cstdint>

#include "vmm/device.h"
#include "vmm/port_bus.h"
#include "vmm/power.h"

namespace vtless::vmm {

// A20 can be switched and read back; address line 20 itself is always on, as no software that runs here
// depends on wrap-around at 1 MiB.
class KeyboardController final : public PortDevice {
  public:
    explicit KeyboardController(PowerControl& power) : power_(power) {}
    void attach(PortBus& bus);

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;

  private:
    void command(uint8_t value);
    void data(uint8_t value);
    void answer(uint8_t value);
    void write_output_port(uint8_t value);

    PowerControl& power_;
    uint8_t command_byte_ = 0x30;  // both devices off
    uint8_t output_port_ = 0x03;   // A20 on, no reset
    uint8_t pending_command_ = 0;  // waits for its data byte
    uint8_t output_ = 0;
    bool output_full_ = false;
    bool last_was_command_ = false;
    bool self_test_passed_ = false;
};

}  // namespace vtless::vmm
