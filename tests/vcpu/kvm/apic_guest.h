// SPDX-License-Identifier: MIT
// A guest on /dev/kvm with the kernel's local APIC: real mode whose DS reaches it.
#pragma once

#include <atomic>
#include <vector>

#include "isa/x86/apic_register.h"
#include "tests/vcpu/kvm/test_guest.h"

namespace vtless::kvm {

class KvmApicGuest : public KvmGuest {
  protected:
    using Code = std::vector<uint8_t>;
    static constexpr uint64_t kApicHandlers = 0x9000;
    static constexpr uint64_t kApic = x86::apic_base::kDefaultAddress;
    static constexpr uint32_t kMasked = 1 << 16;
    static constexpr uint32_t kExtInt = 0x700;

    KvmApicGuest() { vm_config_.local_apics = ApicIn::Kernel; }

    // A store of 32 bits.
    static Code store(uint64_t address, uint32_t value);
    static Code apic(unsigned offset, uint32_t value) { return store(kApic + offset, value); }
    static Code out(uint8_t port) { return {0xe6, port}; }  // of AL, which is 0
    static Code enable() { return apic(x86::apic_register::SVR, 0x1ff); }
    static Code sti() { return {0xfb}; }
    static Code hlt() { return {0xf4}; }
    static Code jump_to_itself() { return {0xeb, 0xfe}; }

    // The vector leads to: OUT of the vector to port 0x70, EOI if it is one of the APIC's, IRET.
    void install_gate(uint8_t vector, bool eoi = true);
    void start(std::initializer_list<Code> code);
    void expect_handler(uint8_t vector, int line = __builtin_LINE()) {
        expect_out(0x70, AccessWidth::Byte, vector, line);
    }

    std::atomic<bool> started_ = false;  // the second vCPU's thread is about to run
};

}  // namespace vtless::kvm
