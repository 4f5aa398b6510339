// SPDX-License-Identifier: MIT
// What a device model is to the machine. The one place where virtual calls are right: an embedder adds
// devices that this project does not know.
#pragma once

#include <cstdint>

#include "isa/addr.h"
#include "vcpu/exit.h"

namespace vtless::vmm {

// `port` is the accessed port itself, not an offset. Bits of a read above the width are ignored.
class PortDevice {
  public:
    virtual ~PortDevice() = default;
    virtual uint32_t read_port(uint16_t port, AccessWidth width) = 0;
    virtual void write_port(uint16_t port, AccessWidth width, uint32_t value) = 0;
};

class MmioDevice {
  public:
    virtual ~MmioDevice() = default;
    virtual uint64_t read_mmio(Gpa address, AccessWidth width) = 0;
    virtual void write_mmio(Gpa address, AccessWidth width, uint64_t value) = 0;
};

// A device that acts by itself when time passes. Both are in simulated cycles.
class TimedDevice {
  public:
    virtual ~TimedDevice() = default;
    virtual uint64_t next_event() const = 0;  // kNever if there is nothing to wait for
    virtual void advance(uint64_t now) = 0;   // now never goes back; late calls catch up
};

// Where interrupt lines end: line is the ISA number, 0 to 15.
class InterruptLines {
  public:
    virtual ~InterruptLines() = default;
    virtual void set_line(unsigned line, bool level) = 0;
};

}  // namespace vtless::vmm
