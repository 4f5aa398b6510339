// SPDX-License-Identifier: MIT
// PC firmware: an image that ends at 4 GiB and starts at the reset vector.
#pragma once

#include <cstdint>

#include "vmm/error.h"
#include "vmm/loaders/boot_state.h"
#include "vmm/loaders/image_file.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

inline constexpr uint64_t kMinimumFirmware = uint64_t{16} << 10;
inline constexpr uint64_t kMaximumFirmware = uint64_t{16} << 20;

// Whether the image can be firmware: its size (a multiple of 4 KiB) and something at the reset vector.
Result<void> check_firmware(const Image& image);

// Where the image's ROM belongs.
inline Gpa firmware_base(uint64_t size) { return Gpa(MemoryLayout::kFourGiB - size); }

// Copies the image to its ROM region, which must be there, and the last 128 KiB of it below 1 MiB, where
// real-mode code finds it. Returns the reset state.
Result<BootState> load_firmware(const Image& image, GuestMemory& memory);

}  // namespace vtless::vmm
