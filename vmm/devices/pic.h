// SPDX-License-Identifier: MIT
// Two cascaded 8259A interrupt controllers with the PC's edge/level registers. Intel 8259A data sheet
// (231468-003); 82371SB (PIIX3) "Edge/Level Control Registers".
#pragma once

#include <array>
#include <cstdint>

#include "vmm/device.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {

// One chip.
class Pic8259 {
  public:
    void set_input(unsigned input, bool level);
    bool output() const { return highest_request().has; }
    // One INTA sequence: the vector. With no request left it is the spurious one of input 7.
    uint8_t acknowledge();
    // Input that acknowledge would serve; 7 if there is none.
    unsigned next_input() const;

    uint8_t read(bool data_register);
    void write(bool data_register, uint8_t value);

    void set_edge_level(uint8_t mask) { edge_level_ = mask; }
    uint8_t edge_level() const { return edge_level_; }
    // The master of a cascade: input 2 is the slave's output. Special fully nested mode needs to know.
    void set_cascade_input(unsigned input) { cascade_ = static_cast<uint8_t>(1u << input); }

  private:
    struct Request {
        bool has = false;
        unsigned input = 7;
    };
    enum class Initialize : uint8_t { Done, Icw2, Icw3, Icw4 };

    Request highest_request() const;
    unsigned highest_in_service() const;  // rank of it, 8 if none
    unsigned rank(unsigned input) const { return (input - lowest_ - 1) & 7; }
    uint8_t level_triggered() const { return level_mode_ ? 0xff : edge_level_; }
    void start_service(unsigned input);
    void end_of_interrupt(unsigned input, bool rotate);
    void write_icw1(uint8_t value);
    void write_ocw2(uint8_t value);
    void write_ocw3(uint8_t value);
    void write_data(uint8_t value);

    uint8_t lines_ = 0;    // inputs as they are now
    uint8_t request_ = 0;  // IRR
    uint8_t service_ = 0;  // ISR
    uint8_t mask_ = 0xff;  // IMR
    uint8_t base_ = 0;     // vector of input 0
    uint8_t edge_level_ = 0;
    uint8_t cascade_ = 0;
    unsigned lowest_ = 7;  // the input of lowest priority
    Initialize step_ = Initialize::Done;
    bool single_ = false;
    bool wants_icw4_ = false;
    bool level_mode_ = false;
    bool auto_eoi_ = false;
    bool rotate_on_auto_eoi_ = false;
    bool special_nested_ = false;
    bool special_mask_ = false;
    bool read_service_ = false;
    bool poll_ = false;
};

// Ports 0x20-0x21, 0xa0-0xa1, 0x4d0-0x4d1.
class PicPair final : public PortDevice, public InterruptLines {
  public:
    PicPair();
    void attach(PortBus& bus);

    // The processor's INTR pin.
    bool output() const { return master_.output(); }
    uint8_t acknowledge();

    void set_line(unsigned line, bool level) override;
    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;

  private:
    void cascade() { master_.set_input(2, slave_.output()); }

    Pic8259 master_;
    Pic8259 slave_;
};

}  // namespace vtless::vmm
