// SPDX-License-Identifier: MIT
#include "vmm/board.h"

#include <algorithm>
#include <utility>

namespace vtless::vmm {

namespace {

constexpr uint16_t kSerialPort = 0x3f8;

void append(std::vector<uint8_t>& bytes, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

}  // namespace

Board::Board(BoardConfig config)
    : debug_output_(std::move(config.debug_console)),
      serial_output_(std::move(config.serial)),
      clock_(config.tsc_hz),
      timed_{&pit_, &rtc_} {
    pic_.attach(ports_);
    pit_.attach(ports_);
    rtc_.attach(ports_);
    serial_.attach(ports_, kSerialPort);
    debug_console_.attach(ports_);
    debug_exit_.attach(ports_);
    reset_control_.attach(ports_);
    post_code_.attach(ports_);
    keyboard_.attach(ports_);
    fw_cfg_.attach(ports_);
    pci_.attach(ports_);
    pci_.add(0, 0, host_bridge_);
    pci_.add(1, 0, isa_bridge_);
    pci_.add(1, 3, acpi_pm_);
    describe_memory(config.layout);
}

void Board::describe_memory(const MemoryLayout& layout) {
    rtc_.set_memory(layout.below_4g, layout.above_4g);
    fw_cfg_.set_number(FwCfg::kRamSize, layout.below_4g + layout.above_4g, 8);
    fw_cfg_.set_number(FwCfg::kNoGraphics, 0, 2);
    fw_cfg_.set_number(FwCfg::kCpuCount, 1, 2);
    fw_cfg_.set_number(FwCfg::kMaximumCpus, 1, 2);

    constexpr uint32_t kUsable = 1;
    std::vector<uint8_t> e820;
    append(e820, 0, 8);
    append(e820, layout.below_4g, 8);
    append(e820, kUsable, 4);
    if (layout.above_4g != 0) {
        append(e820, MemoryLayout::kFourGiB, 8);
        append(e820, layout.above_4g, 8);
        append(e820, kUsable, 4);
    }
    fw_cfg_.set_file("etc/e820", std::move(e820));
    // Milliseconds that firmware waits, when there is nothing to boot, before it resets the machine: none, so
    // that the run ends by itself.
    fw_cfg_.set_file("etc/boot-fail-wait", {0, 0, 0, 0});
}

void Board::advance(uint64_t now) {
    clock_.advance_to(now);
    for (TimedDevice* device : timed_) {
        if (device->next_event() <= now) device->advance(now);
    }
}

uint64_t Board::next_event() const {
    uint64_t next = kNever;
    for (const TimedDevice* device : timed_) next = std::min(next, device->next_event());
    return next;
}

}  // namespace vtless::vmm
