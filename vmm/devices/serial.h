// SPDX-License-Identifier: MIT
// 16550A serial port. TI PC16550D data sheet (SLLS057). Characters take no time on the line.
#pragma once

#include <cstdint>
#include <deque>

#include "vmm/character_output.h"
#include "vmm/device.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {

class Serial16550 final : public PortDevice {
  public:
    Serial16550(InterruptLines& lines, unsigned line, CharacterOutput& output);
    void attach(PortBus& bus, uint16_t base);

    // A character from outside; false (and an overrun for the guest) if there is no room.
    bool receive(uint8_t character);

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;

  private:
    uint8_t read(unsigned index);
    void write(unsigned index, uint8_t value);
    uint8_t read_interrupt_identification();
    uint8_t read_line_status();
    uint8_t read_modem_status();
    void write_interrupt_enable(uint8_t value);
    void write_fifo_control(uint8_t value);
    void transmit(uint8_t character);
    uint8_t pending_interrupt() const;
    void update_line();
    bool loopback() const;
    bool fifos_enabled() const { return (fifo_control_ & 1) != 0; }
    size_t trigger_level() const;
    bool divisor_access() const { return (line_control_ & 0x80) != 0; }

    InterruptLines& lines_;
    unsigned line_;
    CharacterOutput& output_;
    uint16_t base_ = 0;
    std::deque<uint8_t> received_;
    uint8_t interrupt_enable_ = 0;
    uint8_t fifo_control_ = 0;
    uint8_t line_control_ = 0;
    uint8_t modem_control_ = 0;
    uint8_t modem_delta_ = 0;  // low four bits of the modem status
    uint8_t scratch_ = 0;
    uint16_t divisor_ = 12;
    bool transmitter_interrupt_ = false;
    bool overrun_ = false;
};

}  // namespace vtless::vmm
