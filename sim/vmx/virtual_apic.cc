// SPDX-License-Identifier: MIT
#include "sim/vmx/virtual_apic.h"

#include <cstring>

#include "isa/bits.h"

namespace vtless::sim {

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

}  // namespace vtless::sim
