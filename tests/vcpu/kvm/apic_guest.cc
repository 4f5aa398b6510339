// SPDX-License-Identifier: MIT
#include "tests/vcpu/kvm/apic_guest.h"

namespace vtless::kvm {

KvmApicGuest::Code KvmApicGuest::store(uint64_t address, uint32_t value) {
    Code code = {0x66, 0x67, 0xc7, 0x05};
    for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(address >> (8 * i)));
    for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(value >> (8 * i)));
    return code;
}

void KvmApicGuest::install_gate(uint8_t vector, bool eoi) {
    const uint64_t handler = kApicHandlers + vector * uint64_t{32};
    memory_.store<uint16_t>(vector * uint64_t{4}, static_cast<uint16_t>(handler));
    memory_.store<uint16_t>(vector * uint64_t{4} + 2, 0);
    Code code = {0x50, 0xb0, vector, 0xe6, 0x70};  // push ax; mov al, vector; out 0x70, al
    if (eoi)
        for (const uint8_t byte : apic(x86::apic_register::EOI, 0)) code.push_back(byte);
    code.insert(code.end(), {0x58, 0xcf});  // pop ax; iret
    for (size_t i = 0; i < code.size(); ++i) memory_.store<uint8_t>(handler + i, code[i]);
}

// KVM that emulates has no IRET outside real mode: SDM Vol. 3B "Real-Address Mode" (21.1), with a limit of
// DS that reaches the APIC.
void KvmApicGuest::start(std::initializer_list<Code> code) {
    auto state = real_mode();
    auto& data = state.segment(x86::SegmentRegister::DS);
    data.limit = 0xffffffff;
    data.rights.raw |= 0x8000;  // the limit counts pages
    uint64_t at = kCode;
    for (const Code& part : code)
        for (const uint8_t byte : part) memory_.store<uint8_t>(at++, byte);
    boot(state, {});
}

}  // namespace vtless::kvm
