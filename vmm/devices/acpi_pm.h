// SPDX-License-Identifier: MIT
// PIIX4 power management (00:01.3): the PM timer and the sleep control that switches the machine off. No
// SCI, no SMI. Intel 82371AB (290562-001), "Power Management"; ACPI "Power Management Timer" (4.8.2.1).
#pragma once

#include <cstdint>

#include "vmm/clock.h"
#include "vmm/devices/pci.h"
#include "vmm/port_bus.h"
#include "vmm/power.h"

namespace vtless::vmm {

class AcpiPm final : public PciFunction, public PortDevice {
  public:
    static constexpr uint64_t kTimerHz = 3'579'545;

    // Answers at the ports that the guest configures in PMBASE.
    AcpiPm(const Clock& clock, PortBus& bus, PowerControl& power);

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;

  private:
    void written() override;
    uint8_t read_register(unsigned offset) const;
    void write_register(unsigned offset, uint8_t value);
    uint32_t timer() const;

    const Clock& clock_;
    PortBus& bus_;
    PowerControl& power_;
    uint16_t base_ = 0;  // 0: not decoded
    uint16_t enable_ = 0;
    uint16_t control_ = 0;
};

}  // namespace vtless::vmm
