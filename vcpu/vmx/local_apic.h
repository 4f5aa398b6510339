// SPDX-License-Identifier: MIT
// What a VmxVCpu asks of the guest's local APIC: the embedder's, called on exits only.
#pragma once

#include <cstdint>

namespace vtless::vmx {

// Registers by their offset in the APIC page (0x20 the id, 0x80 TPR, 0xb0 EOI, ...); x2APIC MSR 0x800 + n is
// offset n * 16, and offset 0x300 (ICR) has 64 bits in x2APIC mode. False from an MSR access is #GP in the
// guest; in the APIC page, where nothing faults, it reads 0 and ignores the write.
class LocalApic {
  public:
    virtual bool read(uint32_t offset, uint64_t& value) = 0;
    virtual bool write(uint32_t offset, uint64_t value) = 0;

  protected:
    ~LocalApic() = default;  // never destroyed through this interface
};

inline constexpr uint32_t kApicTpr = 0x80;

}  // namespace vtless::vmx
