// SPDX-License-Identifier: MIT
#include "vmm/devices/rtc.h"

#include <algorithm>

namespace vtless::vmm {

namespace {

enum Register : uint8_t {
    kSeconds = 0x00,
    kSecondsAlarm = 0x01,
    kMinutes = 0x02,
    kMinutesAlarm = 0x03,
    kHours = 0x04,
    kHoursAlarm = 0x05,
    kWeekday = 0x06,
    kDay = 0x07,
    kMonth = 0x08,
    kYear = 0x09,
    kA = 0x0a,
    kB = 0x0b,
    kC = 0x0c,
    kD = 0x0d,
    kCentury = 0x32,
};

constexpr uint8_t kUpdateInProgress = 0x80;                        // A
constexpr uint8_t kSet = 0x80, kBinary = 0x04, k24Hours = 0x02;    // B
constexpr uint8_t kPeriodic = 0x40, kAlarm = 0x20, kEnded = 0x10;  // enables in B, flags in C
constexpr uint8_t kRequest = 0x80;                                 // C
constexpr uint8_t kPm = 0x80;                                      // hours in 12-hour mode

// The update flag rises 244 us before the update, which takes 1984 us.
constexpr uint64_t kCrystalHz = 32768;
constexpr uint64_t kUpdateMicroseconds = 244 + 1984;

struct Date {
    unsigned year, month, day;
};

// Days since 1970-01-01 to the civil calendar and back, by counting 400-year eras from a March.
constexpr Date date_of(uint64_t days) {
    const uint64_t shifted = days + 719468;
    const uint64_t era = shifted / 146097;
    const uint64_t of_era = shifted % 146097;
    const uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const uint64_t month = (5 * of_year + 2) / 153;
    const auto day = static_cast<unsigned>(of_year - (153 * month + 2) / 5 + 1);
    const auto civil_month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
    return {static_cast<unsigned>(year + era * 400 + (civil_month <= 2 ? 1 : 0)), civil_month, day};
}

constexpr uint64_t days_of(Date date) {
    const uint64_t year = date.year - (date.month <= 2 ? 1u : 0u);
    const uint64_t of_year = (153 * (date.month + (date.month > 2 ? 0u : 12u) - 3) + 2) / 5 + date.day - 1;
    const uint64_t of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    return year / 400 * 146097 + of_era - 719468;
}
static_assert(date_of(20454).year == 2026 && date_of(20454).month == 1 && date_of(20454).day == 1);
static_assert(days_of({2026, 1, 1}) == 20454 && days_of({2000, 2, 29}) == 11016);

constexpr bool is_time(unsigned index) { return index <= kYear || index == kCentury; }
constexpr bool is_alarm(unsigned index) {
    return index == kSecondsAlarm || index == kMinutesAlarm || index == kHoursAlarm;
}

}  // namespace

Rtc::Rtc(const Clock& clock, InterruptLines& lines) : clock_(clock), lines_(lines) {
    memory_[kA] = 0x26;  // 32.768 kHz, periodic rate 1024 Hz
    memory_[kB] = k24Hours;
    memory_[kD] = 0x80;  // the battery is good
}

void Rtc::attach(PortBus& bus) { bus.attach({0x70, 2}, *this); }

void Rtc::set_memory(uint64_t below_4g, uint64_t above_4g) {
    constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB;
    auto set16 = [this](unsigned low, uint64_t value) {
        memory_[low] = static_cast<uint8_t>(value);
        memory_[low + 1] = static_cast<uint8_t>(value >> 8);
    };
    const uint64_t extended = std::min<uint64_t>((std::max(below_4g, kMiB) - kMiB) / kKiB, 0xffff);
    set16(0x15, 640);
    set16(0x17, extended);
    set16(0x30, extended);
    set16(0x34, std::min<uint64_t>((std::max(below_4g, 16 * kMiB) - 16 * kMiB) / (64 * kKiB), 0xffff));
    set16(0x5b, above_4g / (64 * kKiB));
    memory_[0x5d] = static_cast<uint8_t>(above_4g / (64 * kKiB) >> 16);
}

uint32_t Rtc::read_port(uint16_t port, AccessWidth) {
    return (port & 1) == 0 ? 0xffu : read(index_);  // the index register is write-only
}

void Rtc::write_port(uint16_t port, AccessWidth, uint32_t value) {
    if ((port & 1) == 0) {
        index_ = value & 0x7f;  // bit 7 masks NMI, of which there is none
    } else {
        write(index_, static_cast<uint8_t>(value));
    }
}

uint64_t Rtc::seconds(uint64_t now) const { return base_time_ + now / clock_.tsc_hz(); }

bool Rtc::update_in_progress() const {
    constexpr uint64_t kMicroseconds = 1'000'000;
    const uint64_t into_second = clock_.ticks(kMicroseconds) % kMicroseconds;
    return (memory_[kB] & kSet) == 0 && into_second >= kMicroseconds - kUpdateMicroseconds;
}

uint8_t Rtc::encode(uint64_t value) const {
    return static_cast<uint8_t>((memory_[kB] & kBinary) != 0 ? value : value / 10 << 4 | value % 10);
}

unsigned Rtc::decode(uint8_t value) const {
    return (memory_[kB] & kBinary) != 0 ? value : (value >> 4) * 10u + (value & 15);
}

uint8_t Rtc::read_time(unsigned index) const {
    const uint64_t time = (memory_[kB] & kSet) != 0 ? frozen_at_ : seconds(clock_.now());
    const uint64_t days = time / 86400;
    const Date date = date_of(days);
    switch (index) {
        case kSeconds:
            return encode(time % 60);
        case kMinutes:
            return encode(time / 60 % 60);
        case kHours: {
            const auto hour = static_cast<unsigned>(time / 3600 % 24);
            if ((memory_[kB] & k24Hours) != 0) return encode(hour);
            return static_cast<uint8_t>(encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? kPm : 0));
        }
        case kWeekday:
            return encode(
                static_cast<unsigned>((days + 4) % 7 + 1));  // 1970-01-01 was a Thursday, Sunday is 1
        case kDay:
            return encode(date.day);
        case kMonth:
            return encode(date.month);
        case kYear:
            return encode(date.year % 100);
        default:
            return encode(date.year / 100);
    }
}

uint8_t Rtc::read(unsigned index) {
    if (index == kA)
        return static_cast<uint8_t>(memory_[kA] | (update_in_progress() ? kUpdateInProgress : 0));
    if (index == kC) {
        collect_flags(clock_.now());
        const uint8_t flags = memory_[kC];
        memory_[kC] = 0;
        update_line();
        return flags;
    }
    // While SET the registers hold what the guest writes.
    const bool running = (memory_[kB] & kSet) == 0;
    return running && is_time(index) && !is_alarm(index) ? read_time(index) : memory_[index];
}

void Rtc::write(unsigned index, uint8_t value) {
    collect_flags(clock_.now());
    const bool was_set = (memory_[kB] & kSet) != 0;
    switch (index) {
        case kA:
            memory_[kA] = value & 0x7f;
            break;
        case kB:
            if (!was_set && (value & kSet) != 0) {
                frozen_at_ = seconds(clock_.now());
                for (unsigned i = 0; i < memory_.size(); ++i) {
                    if (is_time(i) && !is_alarm(i)) memory_[i] = read_time(i);
                }
            }
            memory_[kB] = value;
            if (was_set && (value & kSet) == 0) set_time_from_registers();
            break;
        case kC:
        case kD:
            return;  // read-only
        default:
            memory_[index] = value;
            if (!was_set && is_time(index) && !is_alarm(index)) {
                for (unsigned i = 0; i < memory_.size(); ++i) {
                    if (i != index && is_time(i) && !is_alarm(i)) memory_[i] = read_time(i);
                }
                set_time_from_registers();
            }
            break;
    }
    update_line();
}

void Rtc::set_time_from_registers() {
    unsigned hour = decode(memory_[kHours] & (memory_[kB] & k24Hours ? 0xff : 0x7f));
    if ((memory_[kB] & k24Hours) == 0) hour = hour % 12 + ((memory_[kHours] & kPm) != 0 ? 12 : 0);
    const unsigned year = decode(memory_[kCentury]) * 100 + decode(memory_[kYear]);
    const uint64_t days = days_of(
        {year, std::clamp(decode(memory_[kMonth]), 1u, 12u), std::clamp(decode(memory_[kDay]), 1u, 31u)});
    const uint64_t time = days * 86400 + uint64_t{3600} * hour + uint64_t{60} * decode(memory_[kMinutes]) +
                          decode(memory_[kSeconds]);
    base_time_ = time - clock_.now() / clock_.tsc_hz();
}

uint64_t Rtc::period_ticks() const {
    const unsigned rate = memory_[kA] & 0x0f;
    if (rate == 0) return 0;
    // Rates 1 and 2 repeat those of 8 and 9 with the 32.768 kHz time base.
    const unsigned shift = rate <= 2 ? rate + 6 : rate - 1;
    return uint64_t{1} << shift;
}

bool Rtc::alarm_matches(uint64_t second) const {
    auto matches = [this](uint8_t alarm, uint64_t value) {  // 0xc0 and above: any
        return alarm >= 0xc0 || decode(alarm) == value;
    };
    return matches(memory_[kSecondsAlarm], second % 60) &&
           matches(memory_[kMinutesAlarm], second / 60 % 60) &&
           matches(memory_[kHoursAlarm], second / 3600 % 24);
}

// Raises the flags of everything that has happened since they were last collected.
void Rtc::collect_flags(uint64_t now) {
    const uint64_t from = collected_to_;
    if (now <= from) return;
    collected_to_ = now;
    const auto periods = [&](uint64_t cycles) {
        return clock_.ticks_at(cycles, kCrystalHz) / period_ticks();
    };
    if (period_ticks() != 0 && periods(now) != periods(from)) memory_[kC] |= kPeriodic;
    const uint64_t second_cycles = clock_.tsc_hz();
    if (now / second_cycles == from / second_cycles || (memory_[kB] & kSet) != 0) return;
    memory_[kC] |= kEnded;
    const uint64_t last = seconds(now);
    const uint64_t first = std::max(seconds(from) + 1, last >= 86400 ? last - 86399 : 0);
    for (uint64_t second = first; second <= last; ++second) {
        if (alarm_matches(second)) memory_[kC] |= kAlarm;
    }
}

void Rtc::update_line() {
    const bool request = (memory_[kC] & memory_[kB] & (kPeriodic | kAlarm | kEnded)) != 0;
    memory_[kC] = static_cast<uint8_t>((memory_[kC] & ~kRequest) | (request ? kRequest : 0));
    lines_.set_line(8, request);
}

uint64_t Rtc::next_event() const {
    const auto waited_for = static_cast<uint8_t>(memory_[kB] & ~memory_[kC]);
    uint64_t next = kNever;
    const uint64_t period = period_ticks();
    if ((waited_for & kPeriodic) != 0 && period != 0) {
        const uint64_t periods = clock_.ticks_at(collected_to_, kCrystalHz) / period;
        next = clock_.cycle_of((periods + 1) * period, kCrystalHz);
    }
    const uint64_t second = clock_.tsc_hz();
    if ((waited_for & (kAlarm | kEnded)) != 0) next = std::min(next, (collected_to_ / second + 1) * second);
    return next;
}

void Rtc::advance(uint64_t now) {
    collect_flags(now);
    update_line();
}

}  // namespace vtless::vmm
