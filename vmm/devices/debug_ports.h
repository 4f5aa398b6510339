// SPDX-License-Identifier: MIT
// Small ports with one purpose each: the debug console (0x402), the debug exit (0xf4), the power-off port
// (0x8900), the reset control register (0xcf9) and the POST code and delay port (0x80).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vmm/character_output.h"
#include "vmm/device.h"
#include "vmm/port_bus.h"
#include "vmm/power.h"

namespace vtless::vmm {

// Reads 0xe9, by which firmware knows it; writes are printed.
class DebugConsole final : public PortDevice {
  public:
    explicit DebugConsole(CharacterOutput& output) : output_(output) {}
    void attach(PortBus& bus) { bus.attach({0x402, 1}, *this); }
    uint32_t read_port(uint16_t, AccessWidth) override { return 0xe9; }
    void write_port(uint16_t, AccessWidth, uint32_t value) override {
        output_.put(static_cast<uint8_t>(value));
    }

  private:
    CharacterOutput& output_;
};

// A byte v written ends the run with exit status (v << 1) | 1.
class DebugExit final : public PortDevice {
  public:
    explicit DebugExit(PowerControl& power) : power_(power) {}
    void attach(PortBus& bus) { bus.attach({0xf4, 1}, *this); }
    uint32_t read_port(uint16_t, AccessWidth) override { return 0; }
    void write_port(uint16_t, AccessWidth, uint32_t value) override {
        power_.request({PowerRequest::Kind::DebugExit, "port 0xf4", static_cast<uint8_t>(value)});
    }

  private:
    PowerControl& power_;
};

// Bochs' way to be switched off: the characters of "Shutdown", one by one.
class ShutdownPort final : public PortDevice {
  public:
    explicit ShutdownPort(PowerControl& power) : power_(power) {}
    void attach(PortBus& bus) { bus.attach({0x8900, 1}, *this); }
    uint32_t read_port(uint16_t, AccessWidth) override { return 0; }
    void write_port(uint16_t, AccessWidth, uint32_t value) override {
        constexpr std::string_view kWord = "Shutdown";
        matched_ = static_cast<char>(value) == kWord[matched_] ? matched_ + 1 : 0;
        if (matched_ < kWord.size()) return;
        matched_ = 0;
        power_.request({PowerRequest::Kind::PowerOff, "port 0x8900", 0});
    }

  private:
    PowerControl& power_;
    size_t matched_ = 0;
};

// PIIX3 reset control: bit 2 going from 0 to 1 resets the processor.
class ResetControl final : public PortDevice {
  public:
    explicit ResetControl(PowerControl& power) : power_(power) {}
    void attach(PortBus& bus) { bus.attach({0xcf9, 1}, *this); }
    uint32_t read_port(uint16_t, AccessWidth) override { return value_; }
    void write_port(uint16_t, AccessWidth, uint32_t value) override {
        const bool rises = (value & 4) != 0 && (value_ & 4) == 0;
        value_ = static_cast<uint8_t>(value & 0x0e);
        if (rises) power_.request({PowerRequest::Kind::Reset, "port 0xcf9", 0});
    }

  private:
    PowerControl& power_;
    uint8_t value_ = 0;
};

// A latch that software writes to wait, or to show how far it got.
class PostCode final : public PortDevice {
  public:
    void attach(PortBus& bus) { bus.attach({0x80, 1}, *this); }
    uint32_t read_port(uint16_t, AccessWidth) override { return code_; }
    void write_port(uint16_t, AccessWidth, uint32_t value) override { code_ = static_cast<uint8_t>(value); }

  private:
    uint8_t code_ = 0;
};

}  // namespace vtless::vmm
