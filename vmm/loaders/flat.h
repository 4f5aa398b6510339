// SPDX-License-Identifier: MIT
// A flat binary: bytes at an address, started in real mode.
#pragma once

#include "isa/addr.h"
#include "vmm/error.h"
#include "vmm/loaders/boot_state.h"
#include "vmm/loaders/image_file.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

// The image must fit into memory at load. entry is below 1 MiB: CS gets its 64-KiB block, IP the rest.
Result<BootState> load_flat(const Image& image, Gpa load, Gpa entry, GuestMemory& memory);

}  // namespace vtless::vmm
