// SPDX-License-Identifier: MIT
#include "vmm/devices/pit_counter.h"

#include "vmm/clock.h"

namespace vtless::vmm {

namespace {

constexpr uint32_t from_bcd(uint16_t value) {
    return (value >> 12) * 1000u + ((value >> 8) & 15) * 100u + ((value >> 4) & 15) * 10u + (value & 15);
}

constexpr uint16_t to_bcd(uint32_t value) {
    return static_cast<uint16_t>((value / 1000 % 10) << 12 | (value / 100 % 10) << 8 |
                                 (value / 10 % 10) << 4 | value % 10);
}

}  // namespace

void PitCounter::write_control(uint8_t control, uint64_t) {
    access_ = static_cast<Access>((control >> 4) & 3);
    mode_ = (control >> 1) & 7;
    if (mode_ > 5) mode_ -= 4;  // bit 2 does not matter in modes 2 and 3
    bcd_ = (control & 1) != 0;
    loaded_ = running_ = armed_ = false;
    paused_at_ = 0;
    write_high_ = read_high_ = count_latched_ = status_latched_ = false;
}

void PitCounter::write(uint8_t value, uint64_t now) {
    switch (access_) {
        case Access::Low:
            load(value, now);
            break;
        case Access::High:
            load(static_cast<uint16_t>(value << 8), now);
            break;
        case Access::LowHigh:
            if (!write_high_) {
                low_byte_ = value;
                if (mode_ == 0 && running_) {  // the first byte of a new count stops mode 0
                    paused_at_ = elapsed(now);
                    running_ = false;
                }
            } else {
                load(static_cast<uint16_t>(low_byte_ | value << 8), now);
            }
            write_high_ = !write_high_;
            break;
        case Access::Latch:
            break;
    }
}

void PitCounter::load(uint16_t value, uint64_t now) {
    const bool was_loaded = loaded_;
    // In modes 2 and 3 a new count takes effect at the end of the current cycle; guests that change it write
    // a control word first, which starts anew. Without one the cycle is restarted here.
    reload_ = bcd_ ? from_bcd(value) : value;
    if (reload_ == 0) reload_ = bcd_ ? 10000 : 0x10000;
    loaded_ = true;
    if (triggered_by_gate()) {
        if (!was_loaded) running_ = false;
        return;
    }
    start(now);
}

void PitCounter::start(uint64_t now) {
    start_ = now;
    paused_at_ = 0;
    running_ = triggered_by_gate() || gate_;
}

void PitCounter::set_gate(bool level, uint64_t now) {
    const bool rises = level && !gate_;
    const bool falls = !level && gate_;
    gate_ = level;
    if (!loaded_) return;
    if (triggered_by_gate()) {
        if (!rises) return;
        armed_ = true;
        start(now);
    } else if (falls) {
        paused_at_ = elapsed(now);
        running_ = false;
    } else if (rises) {
        start_ = periodic() ? now : now - paused_at_;
        running_ = true;
    }
}

bool PitCounter::output(uint64_t now) const {
    if (!loaded_) return mode_ != 0;
    const uint64_t ticks = elapsed(now);
    switch (mode_) {
        case 0:
            return ticks >= reload_;
        case 1:
            return !armed_ || ticks >= reload_;
        case 2:
            return !running_ || ticks % reload_ != reload_ - 1;
        case 3:
            return !running_ || ticks % reload_ < (reload_ + 1) / 2;
        default:  // 4 and 5: low for one tick at the end
            return (mode_ == 5 && !armed_) || ticks != reload_;
    }
}

uint64_t PitCounter::next_rise(uint64_t now) const {
    if (!loaded_ || !running_) return kNever;
    const uint64_t ticks = elapsed(now);
    if (periodic()) return start_ + (ticks / reload_ + 1) * reload_;
    if (triggered_by_gate() && !armed_) return kNever;
    const uint64_t rise = mode_ >= 4 ? reload_ + 1 : reload_;
    return ticks < rise ? start_ + rise : kNever;
}

uint16_t PitCounter::count(uint64_t now) const {
    if (!loaded_) return 0;
    const uint64_t ticks = elapsed(now);
    const uint32_t modulus = bcd_ ? 10000 : 0x10000;
    uint64_t value = 0;
    if (mode_ == 3) {  // counts down by two, twice in a cycle
        const uint64_t half = (reload_ + 1) / 2;
        const uint64_t in_cycle = ticks % reload_;
        const uint64_t in_half = in_cycle < half ? in_cycle : in_cycle - half;
        value = (reload_ & ~1u) - 2 * in_half;
    } else if (mode_ == 2) {
        value = reload_ - ticks % reload_;
    } else if (triggered_by_gate() && !armed_) {
        value = reload_;
    } else {  // goes on from the top after it has reached zero
        value = (reload_ + modulus - ticks % modulus) % modulus;
    }
    return bcd_ ? to_bcd(static_cast<uint32_t>(value)) : static_cast<uint16_t>(value);
}

void PitCounter::latch_count(uint64_t now) {
    if (count_latched_) return;
    count_latched_ = true;
    latched_count_ = count(now);
}

void PitCounter::latch_status(uint64_t now) {
    if (status_latched_) return;
    status_latched_ = true;
    latched_status_ = static_cast<uint8_t>((output(now) ? 0x80 : 0) | (loaded_ ? 0 : 0x40) |
                                           static_cast<unsigned>(access_) << 4 | mode_ << 1 | (bcd_ ? 1 : 0));
}

uint8_t PitCounter::read(uint64_t now) {
    if (status_latched_) {  // a latched status is read first
        status_latched_ = false;
        return latched_status_;
    }
    const uint16_t value = count_latched_ ? latched_count_ : count(now);
    const bool high = access_ == Access::High || (access_ == Access::LowHigh && read_high_);
    if (access_ == Access::LowHigh) read_high_ = !read_high_;
    if (access_ != Access::LowHigh || high) count_latched_ = false;
    return static_cast<uint8_t>(high ? value >> 8 : value);
}

}  // namespace vtless::vmm
