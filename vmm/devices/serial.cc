// SPDX-License-Identifier: MIT
#include "vmm/devices/serial.h"

namespace vtless::vmm {

namespace {

constexpr size_t kFifoSize = 16;

// Interrupt enable.
constexpr uint8_t kReceivedData = 0x01;
constexpr uint8_t kTransmitterEmpty = 0x02;
constexpr uint8_t kLineStatus = 0x04;
constexpr uint8_t kModemStatus = 0x08;

// Interrupt identification, highest priority first.
constexpr uint8_t kIdLineStatus = 0x06;
constexpr uint8_t kIdReceivedData = 0x04;
constexpr uint8_t kIdCharacterTimeout = 0x0c;
constexpr uint8_t kIdTransmitterEmpty = 0x02;
constexpr uint8_t kIdModemStatus = 0x00;
constexpr uint8_t kIdNone = 0x01;

// Modem control.
constexpr uint8_t kOut2 = 0x08;
constexpr uint8_t kLoop = 0x10;

// Line status.
constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kOverrun = 0x02;
constexpr uint8_t kTransmitterIdle = 0x60;  // holding register and shift register empty

}  // namespace

Serial16550::Serial16550(InterruptLines& lines, unsigned line, CharacterOutput& output)
    : lines_(lines), line_(line), output_(output) {}

void Serial16550::attach(PortBus& bus, uint16_t base) {
    base_ = base;
    bus.attach({base, 8}, *this);
}

bool Serial16550::loopback() const { return (modem_control_ & kLoop) != 0; }

size_t Serial16550::trigger_level() const {
    constexpr size_t kLevels[4] = {1, 4, 8, 14};
    return fifos_enabled() ? kLevels[fifo_control_ >> 6] : 1;
}

bool Serial16550::receive(uint8_t character) {
    const size_t room = fifos_enabled() ? kFifoSize : 1;
    const bool fits = received_.size() < room;
    if (fits) {
        received_.push_back(character);
    } else {
        overrun_ = true;
    }
    update_line();
    return fits;
}

uint8_t Serial16550::pending_interrupt() const {
    if ((interrupt_enable_ & kLineStatus) != 0 && overrun_) return kIdLineStatus;
    if ((interrupt_enable_ & kReceivedData) != 0 && !received_.empty()) {
        // Fewer than the trigger level: after four character times, which are no time here.
        return received_.size() >= trigger_level() ? kIdReceivedData : kIdCharacterTimeout;
    }
    if ((interrupt_enable_ & kTransmitterEmpty) != 0 && transmitter_interrupt_) return kIdTransmitterEmpty;
    if ((interrupt_enable_ & kModemStatus) != 0 && modem_delta_ != 0) return kIdModemStatus;
    return kIdNone;
}

// On a PC the interrupt reaches its line through OUT2, which loopback disconnects.
void Serial16550::update_line() {
    const bool connected = (modem_control_ & kOut2) != 0 && !loopback();
    lines_.set_line(line_, connected && pending_interrupt() != kIdNone);
}

uint32_t Serial16550::read_port(uint16_t port, AccessWidth) { return read((port - base_) & 7u); }

void Serial16550::write_port(uint16_t port, AccessWidth, uint32_t value) {
    write((port - base_) & 7u, static_cast<uint8_t>(value));
}

uint8_t Serial16550::read(unsigned index) {
    switch (index) {
        case 0: {
            if (divisor_access()) return static_cast<uint8_t>(divisor_);
            if (received_.empty()) return 0;
            const uint8_t character = received_.front();
            received_.pop_front();
            update_line();
            return character;
        }
        case 1:
            return divisor_access() ? static_cast<uint8_t>(divisor_ >> 8) : interrupt_enable_;
        case 2:
            return read_interrupt_identification();
        case 3:
            return line_control_;
        case 4:
            return modem_control_;
        case 5:
            return read_line_status();
        case 6:
            return read_modem_status();
        default:
            return scratch_;
    }
}

void Serial16550::write(unsigned index, uint8_t value) {
    switch (index) {
        case 0:
            if (divisor_access()) {
                divisor_ = static_cast<uint16_t>((divisor_ & 0xff00) | value);
            } else {
                transmit(value);
            }
            break;
        case 1:
            if (divisor_access()) {
                divisor_ = static_cast<uint16_t>((divisor_ & 0x00ff) | value << 8);
            } else {
                write_interrupt_enable(value);
            }
            break;
        case 2:
            write_fifo_control(value);
            break;
        case 3:
            line_control_ = value;
            break;
        case 4:
            modem_control_ = value & 0x1f;
            update_line();
            break;
        case 7:
            scratch_ = value;
            break;
        default:  // the status registers are for reading
            break;
    }
}

uint8_t Serial16550::read_interrupt_identification() {
    const uint8_t pending = pending_interrupt();
    if (pending == kIdTransmitterEmpty) {  // reading clears this one
        transmitter_interrupt_ = false;
        update_line();
    }
    return static_cast<uint8_t>(pending | (fifos_enabled() ? 0xc0 : 0));
}

uint8_t Serial16550::read_line_status() {
    const auto status = static_cast<uint8_t>(kTransmitterIdle | (received_.empty() ? 0 : kDataReady) |
                                             (overrun_ ? kOverrun : 0));
    overrun_ = false;
    update_line();
    return status;
}

uint8_t Serial16550::read_modem_status() {
    const uint8_t delta = modem_delta_;
    modem_delta_ = 0;
    update_line();
    if (!loopback()) return static_cast<uint8_t>(0xb0 | delta);  // CTS, DSR and DCD: somebody listens
    // In loopback RTS, DTR, OUT1 and OUT2 appear as CTS, DSR, RI and DCD.
    const unsigned control = modem_control_;
    return static_cast<uint8_t>((control & 0x0c) << 4 | (control & 0x02) << 3 | (control & 0x01) << 5 |
                                delta);
}

void Serial16550::write_interrupt_enable(uint8_t value) {
    const bool enables = (value & kTransmitterEmpty) != 0 && (interrupt_enable_ & kTransmitterEmpty) == 0;
    if (enables) transmitter_interrupt_ = true;
    interrupt_enable_ = value & 0x0f;
    update_line();
}

void Serial16550::write_fifo_control(uint8_t value) {
    const bool toggles = ((value ^ fifo_control_) & 1) != 0;
    fifo_control_ = (value & 1) != 0 ? value : 0;
    if (toggles || (value & 2) != 0) received_.clear();
    update_line();
}

void Serial16550::transmit(uint8_t character) {
    // The holding register is full and empty again at once: the interrupt falls and rises.
    transmitter_interrupt_ = false;
    update_line();
    if (loopback()) {
        receive(character);
    } else {
        output_.put(character);
    }
    transmitter_interrupt_ = true;
    update_line();
}

}  // namespace vtless::vmm
