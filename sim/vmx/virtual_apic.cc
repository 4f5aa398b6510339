// SPDX-License-Identifier: MIT
#include "sim/vmx/virtual_apic.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "isa/bits.h"

namespace vtless::sim {

namespace apic = x86::apic_register;

namespace {

constexpr unsigned kWords = 8;      // of 32 vectors each
constexpr unsigned kStride = 0x10;  // of registers
constexpr uint8_t kClass = 0xf0;    // of a vector or a priority
constexpr unsigned kOnByte = 32;    // of a posted-interrupt descriptor: bit 0 is ON

uint8_t highest_of(unsigned word, uint32_t bits) {
    return static_cast<uint8_t>(word * 32 + 31 - static_cast<unsigned>(std::countl_zero(bits)));
}

}  // namespace

uint64_t VirtualApic::read(unsigned offset, unsigned bytes) const {
    const uint8_t* page = memory_.map(page_);
    if (page == nullptr) return bytes == 8 ? ~uint64_t{0} : bit(bytes * 8) - 1;
    uint64_t value = 0;
    std::memcpy(&value, page + offset, bytes);
    return value;
}

void VirtualApic::write(unsigned offset, unsigned bytes, uint64_t value) const {
    uint8_t* page = memory_.map(page_);
    if (page == nullptr) return;
    memory_.note_write(page_ + offset, bytes);
    std::memcpy(page + offset, &value, bytes);
}

void VirtualApic::set_bit(unsigned registers, uint8_t vector, bool value) const {
    const unsigned offset = registers + vector / 32u * kStride;
    const uint64_t mask = bit(vector % 32u);
    const uint64_t word = read(offset, 4);
    write(offset, 4, value ? word | mask : word & ~mask);
}

uint8_t VirtualApic::highest(unsigned registers) const {
    for (unsigned word = kWords; word-- > 0;) {
        const auto bits = static_cast<uint32_t>(read(registers + word * kStride, 4));
        if (bits != 0) return highest_of(word, bits);
    }
    return 0;
}

// "PPR Virtualization" (30.1.3).
void VirtualApic::virtualize_ppr() const {
    const auto vtpr = static_cast<uint8_t>(read(apic::TPR, 1));
    const uint8_t svi = in_service();
    write(apic::PPR, 4, (vtpr & kClass) >= (svi & kClass) ? vtpr : svi & kClass);
}

// "Evaluation of Pending Virtual Interrupts" (30.2.1).
bool VirtualApic::has_pending() const { return (requested() & kClass) > (read(apic::PPR, 1) & kClass); }

// "Self-IPI Virtualization" (30.1.5).
void VirtualApic::request(uint8_t vector) const {
    set_bit(apic::IRR, vector, true);
    set_status(std::max(requested(), vector), in_service());
}

// "EOI Virtualization" (30.1.4).
uint8_t VirtualApic::end_interrupt() const {
    const uint8_t vector = in_service();
    set_bit(apic::ISR, vector, false);
    set_status(requested(), highest(apic::ISR));
    virtualize_ppr();
    return vector;
}

// "Virtual-Interrupt Delivery" (30.2.2).
uint8_t VirtualApic::begin_interrupt() const {
    const uint8_t vector = requested();
    set_bit(apic::ISR, vector, true);
    write(apic::PPR, 4, vector & kClass);
    set_bit(apic::IRR, vector, false);
    set_status(highest(apic::IRR), vector);
    return vector;
}

// "Posted-Interrupt Processing" (30.6). Outside RAM nothing is posted.
void VirtualApic::take_posted(Hpa descriptor) const {
    uint8_t* bytes = memory_.map(descriptor);
    if (bytes == nullptr) return;
    memory_.note_write(descriptor, kOnByte + 1);
    bytes[kOnByte] &= 0xfe;
    uint8_t posted = 0;
    for (unsigned word = 0; word < kWords; ++word) {
        uint32_t bits = 0;
        std::memcpy(&bits, bytes + size_t{word} * 4, sizeof bits);
        if (bits == 0) continue;
        std::memset(bytes + size_t{word} * 4, 0, sizeof bits);
        const unsigned offset = apic::IRR + word * kStride;
        write(offset, 4, read(offset, 4) | bits);
        posted = highest_of(word, bits);
    }
    set_status(std::max(requested(), posted), in_service());
}

}  // namespace vtless::sim
