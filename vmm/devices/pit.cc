// SPDX-License-Identifier: MIT
#include "vmm/devices/pit.h"

namespace vtless::vmm {

namespace {

constexpr uint16_t kControl = 0x43;
constexpr uint16_t kPortB = 0x61;
constexpr uint8_t kGate2 = 0x01;
constexpr uint8_t kSpeaker = 0x02;
constexpr uint8_t kRefresh = 0x10;
constexpr uint8_t kOutput2 = 0x20;
// Memory refresh asks every 18 ticks (15 us); the bit toggles with each request.
constexpr uint64_t kRefreshTicks = 18;

}  // namespace

Pit::Pit(const Clock& clock, InterruptLines& lines) : clock_(clock), lines_(lines) {
    counters_[2].set_gate(false, 0);
}

void Pit::attach(PortBus& bus) {
    bus.attach({0x40, 4}, *this);
    bus.attach({kPortB, 1}, *this);
}

uint32_t Pit::read_port(uint16_t port, AccessWidth) {
    if (port == kPortB) return read_control_port_b();
    if (port == kControl) return 0xff;  // write-only
    return counters_[port & 3].read(ticks());
}

uint8_t Pit::read_control_port_b() const {
    const bool refresh = (ticks() / kRefreshTicks & 1) != 0;
    return static_cast<uint8_t>(port_b_ | (refresh ? kRefresh : 0) |
                                (counters_[2].output(ticks()) ? kOutput2 : 0));
}

void Pit::write_port(uint16_t port, AccessWidth, uint32_t value) {
    const auto byte = static_cast<uint8_t>(value);
    if (port == kPortB) {
        port_b_ = byte & (kGate2 | kSpeaker);
        counters_[2].set_gate((byte & kGate2) != 0, ticks());
        return;
    }
    if (port == kControl) {
        write_control(byte);
    } else {
        counters_[port & 3].write(byte, ticks());
    }
    // Mode 0 holds its output low until the count is reached.
    if (counters_[0].mode() == 0 && !counters_[0].output(ticks())) lines_.set_line(0, false);
    next_rise_ = counters_[0].next_rise(ticks());
}

void Pit::write_control(uint8_t value) {
    const unsigned select = value >> 6;
    if (select < 3) {
        if ((value & 0x30) == 0) {
            counters_[select].latch_count(ticks());
        } else {
            counters_[select].write_control(value, ticks());
        }
        return;
    }
    for (unsigned n = 0; n < 3; ++n) {  // read-back command: its count and status bits are active low
        if ((value & (2u << n)) == 0) continue;
        if ((value & 0x20) == 0) counters_[n].latch_count(ticks());
        if ((value & 0x10) == 0) counters_[n].latch_status(ticks());
    }
}

uint64_t Pit::next_event() const { return next_rise_ == kNever ? kNever : clock_.cycle_of(next_rise_, kHz); }

// Only rising edges are acted on: the controller takes an edge, and what the output does between two of
// them is seen by nobody else. Edges that came while nobody looked are one.
void Pit::advance(uint64_t now) {
    const uint64_t tick = clock_.ticks_at(now, kHz);
    if (tick < next_rise_) return;
    lines_.set_line(0, false);
    lines_.set_line(0, true);
    next_rise_ = counters_[0].next_rise(tick);
}

}  // namespace vtless::vmm
