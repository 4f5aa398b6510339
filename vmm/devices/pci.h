// SPDX-License-Identifier: MIT
// PCI configuration mechanism #1 (ports 0xcf8, 0xcfc) and functions on bus 0. PCI Local Bus Specification
// 2.1, sections 3.7.4 and 6.1.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "vmm/device.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {

struct PciIdentity {
    uint16_t vendor = 0;
    uint16_t device = 0;
    uint16_t subsystem_vendor = 0;
    uint16_t subsystem = 0;
    uint32_t class_code = 0;  // class, subclass, interface
    uint8_t revision = 0;
    bool multifunction = false;
};

// One function's 256 bytes of configuration space: a reset value and the bits that a guest may change.
class PciFunction {
  public:
    explicit PciFunction(const PciIdentity& identity);
    virtual ~PciFunction() = default;

    void set(unsigned offset, uint64_t value, unsigned size);
    void allow_writes(unsigned offset, uint64_t mask, unsigned size);
    uint32_t get(unsigned offset, unsigned size) const;
    void write(unsigned offset, uint32_t value, unsigned size);

  protected:
    virtual void written() {}  // configuration has changed

  private:
    std::array<uint8_t, 256> bytes_{};
    std::array<uint8_t, 256> writable_{};
};

class PciBus final : public PortDevice {
  public:
    void attach(PortBus& bus);
    // The function must outlive the bus. device < 32, function < 8.
    void add(unsigned device, unsigned function, PciFunction& config);

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;

  private:
    PciFunction* selected() const;

    std::map<unsigned, PciFunction*> functions_;  // by bus, device and function
    uint32_t address_ = 0;
};

// The i440FX host bridge (00:00.0). Its memory-attribute registers can be written and read; all of the
// memory that they shadow is plain RAM.
class HostBridge final : public PciFunction {
  public:
    HostBridge();
};

// The PIIX3 ISA bridge (00:01.0).
class IsaBridge final : public PciFunction {
  public:
    IsaBridge();
};

}  // namespace vtless::vmm
