// SPDX-License-Identifier: MIT
// MC146818 real-time clock and its CMOS memory at ports 0x70-0x71, interrupt line 8. The date at the start of
// a run is fixed and moves with simulated time, so that every run sees the same.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/clock.h"
#include "vmm/device.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {

class Rtc final : public PortDevice, public TimedDevice {
  public:
    // 2026-01-01 00:00:00, seconds since 1970.
    static constexpr uint64_t kStartTime = 1'767'225'600;

    Rtc(const Clock& clock, InterruptLines& lines);
    void attach(PortBus& bus);

    // What firmware asks the CMOS for: bytes of memory below and above 4 GiB.
    void set_memory(uint64_t below_4g, uint64_t above_4g);
    void set_byte(unsigned index, uint8_t value) { memory_[index & 0x7f] = value; }

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;
    uint64_t next_event() const override;
    void advance(uint64_t now) override;

  private:
    uint8_t read(unsigned index);
    void write(unsigned index, uint8_t value);
    uint8_t read_time(unsigned index) const;
    void set_time_from_registers();
    uint8_t encode(uint64_t value) const;  // binary or BCD, as register B says
    unsigned decode(uint8_t value) const;
    bool update_in_progress() const;
    uint64_t seconds(uint64_t now) const;
    uint64_t period_ticks() const;  // of the crystal; 0 when the periodic interrupt's divider is off
    bool alarm_matches(uint64_t second) const;
    void collect_flags(uint64_t now);
    void update_line();

    const Clock& clock_;
    InterruptLines& lines_;
    std::array<uint8_t, 128> memory_{};
    uint8_t index_ = 0;
    uint64_t base_time_ = kStartTime;  // seconds since 1970 at cycle 0; wraps below it after a set
    uint64_t frozen_at_ = 0;           // while SET: the second that stands still
    uint64_t collected_to_ = 0;        // cycle up to which flags have been raised
};

}  // namespace vtless::vmm
