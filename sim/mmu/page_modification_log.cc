// SPDX-License-Identifier: MIT
#include "sim/mmu/page_modification_log.h"

#include <cstring>

#include "sim/mmu/host_memory.h"

namespace vtless::sim {

void PageModificationLog::append(const HostMemory& memory, Gpa gpa) const {
    if (index_ == nullptr) return;
    const Hpa entry = page_ + *index_ * 8;
    const uint64_t page = gpa.page().value();
    if (memory.contains(entry, sizeof page)) {
        memory.note_write(entry, sizeof page);
        std::memcpy(memory.base() + entry.value(), &page, sizeof page);
    }
    *index_ = (*index_ - 1) & 0xffff;
}

}  // namespace vtless::sim
