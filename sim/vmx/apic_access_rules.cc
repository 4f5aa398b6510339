// SPDX-License-Identifier: MIT
#include "sim/vmx/apic_access_rules.h"

#include "isa/x86/apic_register.h"

namespace vtless::sim {
namespace {

namespace apic = x86::apic_register;
using x86::SecondaryControls;

constexpr unsigned kStride = 0x10;  // of registers, of which the first four bytes are used

constexpr bool between(unsigned value, unsigned first, unsigned last) {
    return value >= first && value <= last;
}

bool is_within_a_register(unsigned offset, unsigned bytes) {
    return bytes <= 4 && offset % kStride + bytes <= 4;
}

// Without APIC-register virtualization, by the offset of the access itself.
bool is_basic(const ApicControls& controls, unsigned offset) {
    const bool delivers = controls.secondary.has(SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY);
    return offset == apic::TPR || (delivers && (offset == apic::EOI || offset == apic::ICR_LOW));
}

// "Virtualizing Writes to the APIC-Access Page" (30.4.3).
bool is_writable(unsigned reg) {
    switch (reg) {
        case apic::ID:
        case apic::TPR:
        case apic::EOI:
        case apic::LDR:
        case apic::DFR:
        case apic::SVR:
        case apic::ESR:
        case apic::ICR_LOW:
        case apic::ICR_HIGH:
        case apic::INITIAL_COUNT:
        case apic::DIVIDE_CONFIGURATION:
            return true;
        default:
            return between(reg, apic::LVT_TIMER, apic::LVT_ERROR);
    }
}

// "Virtualizing Reads from the APIC-Access Page" (30.4.2).
bool is_readable(unsigned reg) {
    return is_writable(reg) || reg == apic::VERSION || between(reg, apic::ISR, apic::ESR);
}

bool is_virtualized(const ApicControls& controls, unsigned offset, unsigned bytes, bool (*has)(unsigned)) {
    if (!controls.primary.has(x86::PrimaryControls::USE_TPR_SHADOW) || !is_within_a_register(offset, bytes))
        return false;
    if (!controls.secondary.has(SecondaryControls::APIC_REGISTER_VIRTUALIZATION))
        return is_basic(controls, offset);
    return has(offset - offset % kStride);
}

}  // namespace

bool is_virtualized_read(const ApicControls& controls, unsigned offset, unsigned bytes) {
    return is_virtualized(controls, offset, bytes, is_readable);
}

bool is_virtualized_write(const ApicControls& controls, unsigned offset, unsigned bytes) {
    return is_virtualized(controls, offset, bytes, is_writable);
}

}  // namespace vtless::sim
