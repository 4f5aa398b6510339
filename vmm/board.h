// SPDX-License-Identifier: MIT
// The PC around the processor: buses, devices and their wiring.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/character_output.h"
#include "vmm/clock.h"
#include "vmm/devices/acpi_pm.h"
#include "vmm/devices/debug_ports.h"
#include "vmm/devices/fw_cfg.h"
#include "vmm/devices/keyboard_controller.h"
#include "vmm/devices/pci.h"
#include "vmm/devices/pic.h"
#include "vmm/devices/pit.h"
#include "vmm/devices/rtc.h"
#include "vmm/devices/serial.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/mmio_bus.h"
#include "vmm/msr_policy.h"
#include "vmm/port_bus.h"
#include "vmm/power.h"

namespace vtless::vmm {

struct BoardConfig {
    MemoryLayout layout{0};
    CharacterOutput debug_console;
    CharacterOutput serial;
    uint64_t tsc_hz = kDefaultTscHz;
};

class Board {
  public:
    explicit Board(BoardConfig config);
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;

    // Moves device time on and lets the devices do what was due. Cycles.
    void advance(uint64_t now);
    // The next cycle at which a device has something to do.
    uint64_t next_event() const;

    bool interrupt_pending() const { return pic_.output(); }
    uint8_t acknowledge_interrupt() { return pic_.acknowledge(); }

    // For devices of an embedder, which must outlive the board.
    void add_timed(TimedDevice& device) { timed_.push_back(&device); }
    InterruptLines& interrupt_lines() { return pic_; }

    const Clock& clock() const { return clock_; }
    PortBus& ports() { return ports_; }
    MmioBus& mmio() { return mmio_; }
    MsrPolicy& msrs() { return msrs_; }
    PowerControl& power() { return power_; }
    FwCfg& fw_cfg() { return fw_cfg_; }
    CharacterOutput& debug_console() { return debug_output_; }
    CharacterOutput& serial() { return serial_output_; }

  private:
    void describe_memory(const MemoryLayout& layout);

    CharacterOutput debug_output_;
    CharacterOutput serial_output_;
    Clock clock_;
    PortBus ports_;
    MmioBus mmio_;
    MsrPolicy msrs_;
    PowerControl power_;
    std::vector<TimedDevice*> timed_;

    PicPair pic_;
    Pit pit_{clock_, pic_};
    Rtc rtc_{clock_, pic_};
    Serial16550 serial_{pic_, 4, serial_output_};
    DebugConsole debug_console_{debug_output_};
    DebugExit debug_exit_{power_};
    ResetControl reset_control_{power_};
    PostCode post_code_;
    KeyboardController keyboard_{power_};
    FwCfg fw_cfg_;
    PciBus pci_;
    HostBridge host_bridge_;
    IsaBridge isa_bridge_;
    AcpiPm acpi_pm_{clock_, ports_, power_};
};

}  // namespace vtless::vmm
