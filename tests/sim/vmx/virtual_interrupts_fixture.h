// SPDX-License-Identifier: MIT
// A guest with virtual-interrupt delivery, whose APIC-access page is kData: HLT with RFLAGS.IF set.
#pragma once

#include <initializer_list>

#include "tests/sim/vmx/apic_fixture.h"

namespace vtless::sim {

class VirtualInterruptsFixture : public ApicFixture {
  protected:
    static constexpr uint32_t kDelivery = x86::SecondaryControls::VIRTUALIZE_APIC_ACCESSES |
                                          x86::SecondaryControls::APIC_REGISTER_VIRTUALIZATION |
                                          x86::SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY;

    VirtualInterruptsFixture() {
        split(kData);
        write(F::APIC_ACCESS_ADDRESS, (ram + kData).value());
        set_secondary(kDelivery);
        write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
        code({0xf4});
    }

    static uint64_t handler(uint8_t vector) { return kHandlers + uint64_t{vector} * 16; }
    void set_bit(unsigned registers, uint8_t vector) {
        const unsigned offset = registers + vector / 32u * 16;
        set_reg(offset, reg(offset) | 1u << vector % 32u);
    }
    bool has_bit(unsigned registers, uint8_t vector) {
        return (reg(registers + vector / 32u * 16) >> vector % 32u & 1) != 0;
    }
    // As a hypervisor does: the highest vector that is requested is RVI.
    void request(uint8_t vector) {
        set_bit(x86::apic_register::IRR, vector);
        write(F::GUEST_INTERRUPT_STATUS, (read(F::GUEST_INTERRUPT_STATUS) & 0xff00) | vector);
    }
    // Nothing else is in service, nothing is requested; the first is the highest.
    void in_service(std::initializer_list<uint8_t> vectors) {
        for (unsigned word = 0; word < 8; ++word) {
            set_reg(x86::apic_register::ISR + word * 16, 0);
            set_reg(x86::apic_register::IRR + word * 16, 0);
        }
        for (const uint8_t vector : vectors) set_bit(x86::apic_register::ISR, vector);
        write(F::GUEST_INTERRUPT_STATUS, uint64_t{*vectors.begin()} << 8);
    }
    void restart() {
        write(F::GUEST_RIP, kCode);
        write(F::GUEST_RSP, kStack);
    }
    // mov [rsi], eax; hlt
    Reason store(unsigned offset, uint32_t value) {
        restart();
        code({0x89, 0x06, 0xf4});
        gprs.set(x86::Gpr::RSI, kData + offset);
        gprs.set(x86::Gpr::RAX, value);
        return run();
    }
    void use_x2apic() {
        const Hpa bitmap = frame();
        set_secondary((kDelivery & ~x86::SecondaryControls::VIRTUALIZE_APIC_ACCESSES) |
                      x86::SecondaryControls::VIRTUALIZE_X2APIC_MODE);
        set_primary(x86::PrimaryControls::USE_TPR_SHADOW | x86::PrimaryControls::USE_MSR_BITMAPS);
        write(F::MSR_BITMAP, bitmap.value());
    }
    // wrmsr; hlt
    Reason wrmsr(uint32_t msr, uint64_t value) {
        restart();
        code({0x0f, 0x30, 0xf4});
        gprs.set(x86::Gpr::RCX, msr);
        gprs.set(x86::Gpr::RAX, value & 0xffffffff);
        gprs.set(x86::Gpr::RDX, value >> 32);
        return run();
    }
};

}  // namespace vtless::sim
