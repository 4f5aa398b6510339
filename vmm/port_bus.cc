// SPDX-License-Identifier: MIT
#include "vmm/port_bus.h"

#include <algorithm>

#include "isa/check.h"

namespace vtless::vmm {

namespace {

constexpr uint32_t width_mask(AccessWidth width) { return ~uint32_t{0} >> (32 - 8 * bytes(width)); }

}  // namespace

PortBus::PortBus() : slots_(1), slot_of_port_(std::make_unique<std::array<uint8_t, 0x10000>>()) {}

void PortBus::attach(PortRange range, PortDevice& device, AccessWidth widest) {
    VTLESS_CHECK(size_t{range.first} + range.count <= slot_of_port_->size());
    auto same = [&](const Slot& slot) { return slot.device == &device && slot.widest == widest; };
    auto slot = std::find_if(slots_.begin(), slots_.end(), same);
    if (slot == slots_.end()) slot = slots_.insert(slots_.end(), Slot{&device, widest});
    VTLESS_CHECK(slots_.size() <= 256);
    std::fill_n(slot_of_port_->begin() + range.first, range.count,
                static_cast<uint8_t>(slot - slots_.begin()));
}

void PortBus::detach(PortRange range) {
    VTLESS_CHECK(size_t{range.first} + range.count <= slot_of_port_->size());
    std::fill_n(slot_of_port_->begin() + range.first, range.count, uint8_t{0});
}

uint32_t PortBus::read(uint16_t port, AccessWidth width) {
    const Slot slot = slots_[(*slot_of_port_)[port]];
    if (slot.device == nullptr) return width_mask(width);
    if (width <= slot.widest) return slot.device->read_port(port, width) & width_mask(width);
    uint32_t value = 0;
    for (unsigned done = 0; done < bytes(width); done += bytes(slot.widest)) {
        value |= read(static_cast<uint16_t>(port + done), slot.widest) << (8 * done);
    }
    return value;
}

void PortBus::write(uint16_t port, AccessWidth width, uint32_t value) {
    const Slot slot = slots_[(*slot_of_port_)[port]];
    if (slot.device == nullptr) return;
    if (width <= slot.widest) {
        slot.device->write_port(port, width, value & width_mask(width));
        return;
    }
    for (unsigned done = 0; done < bytes(width); done += bytes(slot.widest)) {
        write(static_cast<uint16_t>(port + done), slot.widest, value >> (8 * done));
    }
}

}  // namespace vtless::vmm
