// SPDX-License-Identifier: MIT
// One counter of an 8254 interval timer, as a function of its own clock's ticks.
// Intel 8254 data sheet (231164-005), "Mode Definitions". The one tick that loading a count takes is left
// out.
#pragma once

#include <cstdint>

namespace vtless::vmm {

class PitCounter {
  public:
    // All times are tick numbers of the counter's clock and never go back.
    void write_control(uint8_t control, uint64_t now);
    void write(uint8_t value, uint64_t now);
    uint8_t read(uint64_t now);
    void latch_count(uint64_t now);
    void latch_status(uint64_t now);
    void set_gate(bool level, uint64_t now);

    bool output(uint64_t now) const;
    bool gate() const { return gate_; }
    unsigned mode() const { return mode_; }
    // The first tick after `now` at which the output rises; kNever (clock.h) if it will not by itself.
    uint64_t next_rise(uint64_t now) const;

  private:
    enum class Access : uint8_t { Latch, Low, High, LowHigh };

    uint64_t elapsed(uint64_t now) const { return running_ ? now - start_ : paused_at_; }
    uint16_t count(uint64_t now) const;  // in the counter's number format
    void load(uint16_t value, uint64_t now);
    void start(uint64_t now);
    bool triggered_by_gate() const { return mode_ == 1 || mode_ == 5; }
    bool periodic() const { return mode_ == 2 || mode_ == 3; }

    unsigned mode_ = 3;
    Access access_ = Access::LowHigh;
    bool bcd_ = false;
    bool gate_ = true;
    bool loaded_ = false;   // a count has been written since the control word
    bool running_ = false;  // counting; else held at paused_at_
    bool armed_ = false;    // modes 1 and 5: a trigger has come since the control word
    uint32_t reload_ = 0x10000;
    uint64_t start_ = 0;
    uint64_t paused_at_ = 0;

    bool write_high_ = false;  // the next byte written or read is the second of two
    bool read_high_ = false;
    uint8_t low_byte_ = 0;
    bool count_latched_ = false;
    uint16_t latched_count_ = 0;
    bool status_latched_ = false;
    uint8_t latched_status_ = 0;
};

}  // namespace vtless::vmm
