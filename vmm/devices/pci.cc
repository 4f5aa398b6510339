// SPDX-License-Identifier: MIT
#include "vmm/devices/pci.h"

#include "isa/check.h"

namespace vtless::vmm {

namespace {

constexpr uint16_t kAddressPort = 0xcf8;
constexpr uint16_t kDataPort = 0xcfc;
constexpr uint32_t kEnable = 0x80000000;

// Firmware recognises the machine by these.
constexpr uint16_t kSubsystemVendor = 0x1af4;
constexpr uint16_t kSubsystem = 0x1100;

}  // namespace

PciFunction::PciFunction(const PciIdentity& identity) {
    set(0x00, identity.vendor, 2);
    set(0x02, identity.device, 2);
    set(0x08, identity.revision, 1);
    set(0x09, identity.class_code, 3);
    set(0x0e, identity.multifunction ? 0x80 : 0x00, 1);
    set(0x2c, identity.subsystem_vendor, 2);
    set(0x2e, identity.subsystem, 2);
    allow_writes(0x04, 0x0107, 2);  // command: I/O, memory, bus master, SERR
    allow_writes(0x3c, 0xff, 1);    // interrupt line
}

void PciFunction::set(unsigned offset, uint64_t value, unsigned size) {
    VTLESS_CHECK(offset + size <= bytes_.size());
    for (unsigned i = 0; i < size; ++i) bytes_[offset + i] = static_cast<uint8_t>(value >> (8 * i));
}

void PciFunction::allow_writes(unsigned offset, uint64_t mask, unsigned size) {
    VTLESS_CHECK(offset + size <= writable_.size());
    for (unsigned i = 0; i < size; ++i) writable_[offset + i] = static_cast<uint8_t>(mask >> (8 * i));
}

uint32_t PciFunction::get(unsigned offset, unsigned size) const {
    VTLESS_CHECK(offset + size <= bytes_.size());
    uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= uint32_t{bytes_[offset + i]} << (8 * i);
    return value;
}

void PciFunction::write(unsigned offset, uint32_t value, unsigned size) {
    VTLESS_CHECK(offset + size <= bytes_.size());
    for (unsigned i = 0; i < size; ++i) {
        const uint8_t mask = writable_[offset + i];
        uint8_t& byte = bytes_[offset + i];
        byte = static_cast<uint8_t>((byte & ~mask) | (static_cast<uint8_t>(value >> (8 * i)) & mask));
    }
    written();
}

void PciBus::attach(PortBus& bus) {
    bus.attach({kAddressPort, 1}, *this, AccessWidth::Dword);
    bus.attach({kDataPort, 4}, *this, AccessWidth::Dword);
}

void PciBus::add(unsigned device, unsigned function, PciFunction& config) {
    VTLESS_CHECK(device < 32 && function < 8);
    functions_[device << 3 | function] = &config;
}

PciFunction* PciBus::selected() const {
    if ((address_ & kEnable) == 0) return nullptr;
    const auto found = functions_.find((address_ >> 8) & 0xffff);
    return found == functions_.end() ? nullptr : found->second;
}

// The address register answers 32-bit accesses only. An access to the data register stays inside its dword.
uint32_t PciBus::read_port(uint16_t port, AccessWidth width) {
    if (port == kAddressPort) return width == AccessWidth::Dword ? address_ : ~uint32_t{0};
    const unsigned lane = port - kDataPort;
    const PciFunction* function = selected();
    if (function == nullptr || lane + bytes(width) > 4) return ~uint32_t{0};
    return function->get((address_ & 0xfc) + lane, bytes(width));
}

void PciBus::write_port(uint16_t port, AccessWidth width, uint32_t value) {
    if (port == kAddressPort) {
        if (width == AccessWidth::Dword) address_ = value & ~uint32_t{3};
        return;
    }
    const unsigned lane = port - kDataPort;
    PciFunction* function = selected();
    if (function == nullptr || lane + bytes(width) > 4) return;
    function->write((address_ & 0xfc) + lane, value, bytes(width));
}

HostBridge::HostBridge()
    : PciFunction({0x8086, 0x1237, kSubsystemVendor, kSubsystem, 0x060000, 0x02, false}) {
    set(0x04, 0x0006, 2);                       // memory and bus master are always on
    allow_writes(0x04, 0x0100, 2);              // SERR
    allow_writes(0x59, 0x00ffffffffffffff, 7);  // PAM0 to PAM6
    allow_writes(0x72, 0x7f, 1);                // SMRAM control
}

IsaBridge::IsaBridge() : PciFunction({0x8086, 0x7000, kSubsystemVendor, kSubsystem, 0x060100, 0x00, true}) {
    set(0x04, 0x0007, 2);
    set(0x60, 0x80808080, 4);         // PIRQ routing: disabled
    allow_writes(0x4c, 0xffffff, 3);  // I/O recovery, XBCS
    allow_writes(0x60, 0x8f8f8f8f, 4);
}

}  // namespace vtless::vmm
