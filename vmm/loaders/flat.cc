// SPDX-License-Identifier: MIT
#include "vmm/loaders/flat.h"

namespace vtless::vmm {

Result<BootState> load_flat(const Image& image, Gpa load, Gpa entry, GuestMemory& memory) {
    if (entry.value() >= MemoryLayout::kOneMiB) {
        return fail("entry {:#x}: a flat binary starts in real mode, so its entry is below 1 MiB",
                    entry.value());
    }
    if (!memory.write(load, image.bytes)) {
        return fail("flat image {}: its {} bytes do not fit into memory at {:#x}; {} bytes are memory there",
                    image.path, image.bytes.size(), load.value(), memory.available(load, image.bytes.size()));
    }
    if (memory.find(entry) == nullptr) return fail("entry {:#x}: no memory there", entry.value());
    const uint64_t base = entry.value() & 0xf0000;
    return BootState{entry, vmx::GuestEntryState::real_mode(static_cast<uint16_t>(base >> 4), base)};
}

}  // namespace vtless::vmm
