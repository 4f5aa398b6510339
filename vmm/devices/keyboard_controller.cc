// SPDX-License-Identifier: MIT
#include "vmm/devices/keyboard_controller.h"

namespace vtless::vmm {

namespace {

constexpr uint16_t kData = 0x60, kCommand = 0x64, kSystemControlA = 0x92;
constexpr uint8_t kA20 = 0x02;
constexpr uint8_t kNotReset = 0x01;  // of the output port: the reset pin is active low

}  // namespace

void KeyboardController::attach(PortBus& bus) {
    bus.attach({kData, 1}, *this);
    bus.attach({kCommand, 1}, *this);
    bus.attach({kSystemControlA, 1}, *this);
}

uint32_t KeyboardController::read_port(uint16_t port, AccessWidth) {
    if (port == kSystemControlA) return output_port_ & kA20;
    if (port == kData) {
        output_full_ = false;
        return output_;
    }
    return static_cast<uint32_t>((output_full_ ? 0x01 : 0) | (self_test_passed_ ? 0x04 : 0) |
                                 (last_was_command_ ? 0x08 : 0) | 0x10);  // bit 4: not locked
}

void KeyboardController::write_port(uint16_t port, AccessWidth, uint32_t value) {
    const auto byte = static_cast<uint8_t>(value);
    if (port == kSystemControlA) {
        if ((byte & 1) != 0) power_.request({PowerRequest::Kind::Reset, "port 0x92", 0});
        output_port_ = static_cast<uint8_t>((output_port_ & ~kA20) | (byte & kA20));
        return;
    }
    last_was_command_ = port == kCommand;
    if (port == kCommand) {
        command(byte);
    } else {
        data(byte);
    }
}

void KeyboardController::answer(uint8_t value) {
    output_ = value;
    output_full_ = true;
}

void KeyboardController::write_output_port(uint8_t value) {
    output_port_ = value;
    if ((value & kNotReset) == 0) {
        power_.request({PowerRequest::Kind::Reset, "keyboard controller output port", 0});
    }
}

void KeyboardController::command(uint8_t value) {
    pending_command_ = 0;
    switch (value) {
        case 0x20:
            answer(command_byte_);
            break;
        case 0xa7:  // auxiliary device off, on
            command_byte_ |= 0x20;
            break;
        case 0xa8:
            command_byte_ &= 0xdf;
            break;
        case 0xa9:  // interface tests: clock line stuck low, as nothing is plugged in
        case 0xab:
            answer(0x01);
            break;
        case 0xaa:
            self_test_passed_ = true;
            answer(0x55);
            break;
        case 0xad:  // keyboard off, on
            command_byte_ |= 0x10;
            break;
        case 0xae:
            command_byte_ &= 0xef;
            break;
        case 0xc0:
            answer(0x80);  // input port: not locked
            break;
        case 0xd0:
            answer(output_port_);
            break;
        case 0x60:  // command byte, output port, output buffer: a data byte follows
        case 0xd1:
        case 0xd2:
            pending_command_ = value;
            break;
        default:
            // 0xf0 to 0xff pulse the output port's low bits that are clear in the command.
            if (value >= 0xf0 && (value & kNotReset) == 0) {
                power_.request({PowerRequest::Kind::Reset, "keyboard controller", 0});
            }
            break;
    }
}

void KeyboardController::data(uint8_t value) {
    const uint8_t command = pending_command_;
    pending_command_ = 0;
    if (command == 0x60) command_byte_ = value;
    if (command == 0xd1) write_output_port(value);
    if (command == 0xd2) answer(value);
    // Without a command it is for the keyboard, which is not there to answer.
}

}  // namespace vtless::vmm
