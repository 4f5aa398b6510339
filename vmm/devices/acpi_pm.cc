// SPDX-License-Identifier: MIT
#include "vmm/devices/acpi_pm.h"

namespace vtless::vmm {

namespace {

constexpr unsigned kPmBase = 0x40, kPmMisc = 0x80;  // configuration space
constexpr unsigned kEnable = 2, kControl = 4, kTimer = 8;
constexpr uint16_t kPorts = 64;
constexpr uint8_t kSleepEnable = 0x20;  // in the control register's high byte
constexpr uint32_t kTimerMask = 0x00ffffff;

}  // namespace

AcpiPm::AcpiPm(const Clock& clock, PortBus& bus, PowerControl& power)
    : PciFunction({0x8086, 0x7113, 0x1af4, 0x1100, 0x068000, 0x03, false}),
      clock_(clock),
      bus_(bus),
      power_(power) {
    set(kPmBase, 1, 4);
    set(0x3d, 1, 1);     // INTA
    set(0x5b, 0x02, 1);  // APMC_EN already set: tells firmware that there is no SMM to prepare
    allow_writes(kPmBase, 0xffc0, 4);
    allow_writes(0x58, 0xffffffff, 4);
    allow_writes(kPmMisc, 0x01, 1);
}

void AcpiPm::written() {
    const bool decoded = (get(kPmMisc, 1) & 1) != 0;
    const auto base = static_cast<uint16_t>(decoded ? get(kPmBase, 2) & 0xffc0 : 0);
    if (base == base_) return;
    if (base_ != 0) bus_.detach({base_, kPorts});
    base_ = base;
    if (base_ == 0) return;
    bus_.attach({base_, kPorts}, *this);
    // The timer is one register: reading it in bytes would let it move in between.
    bus_.attach({static_cast<uint16_t>(base_ + kTimer), 1}, *this, AccessWidth::Dword);
}

uint32_t AcpiPm::timer() const { return static_cast<uint32_t>(clock_.ticks(kTimerHz)) & kTimerMask; }

uint32_t AcpiPm::read_port(uint16_t port, AccessWidth) {
    const unsigned offset = port - base_;
    return offset == kTimer ? timer() : read_register(offset);
}

uint8_t AcpiPm::read_register(unsigned offset) const {
    switch (offset) {
        case kEnable:
            return static_cast<uint8_t>(enable_);
        case kEnable + 1:
            return static_cast<uint8_t>(enable_ >> 8);
        case kControl:
            return static_cast<uint8_t>(control_);
        case kControl + 1:
            return static_cast<uint8_t>(control_ >> 8);
        case kTimer + 1:
        case kTimer + 2:
        case kTimer + 3:
            return static_cast<uint8_t>(timer() >> (8 * (offset - kTimer)));
        default:
            return 0;
    }
}

void AcpiPm::write_port(uint16_t port, AccessWidth, uint32_t value) {
    write_register(static_cast<unsigned>(port - base_), static_cast<uint8_t>(value));
}

void AcpiPm::write_register(unsigned offset, uint8_t value) {
    switch (offset) {
        case kEnable:
            enable_ = static_cast<uint16_t>((enable_ & 0xff00) | value);
            break;
        case kEnable + 1:
            enable_ = static_cast<uint16_t>((enable_ & 0x00ff) | value << 8);
            break;
        case kControl:
            control_ = static_cast<uint16_t>((control_ & 0xff00) | value);
            break;
        case kControl + 1:  // SLP_EN reads as zero; whatever SLP_TYP says, nothing would wake this machine
            control_ = static_cast<uint16_t>((control_ & 0x00ff) | (value & ~kSleepEnable) << 8);
            if ((value & kSleepEnable) != 0) {
                power_.request({PowerRequest::Kind::PowerOff, "ACPI sleep control", 0});
            }
            break;
        default:
            break;
    }
}

}  // namespace vtless::vmm
