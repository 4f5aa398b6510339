// SPDX-License-Identifier: MIT
#include "vmm/loaders/firmware.h"

#include <algorithm>
#include <span>

namespace vtless::vmm {

namespace {

constexpr uint64_t kLowCopy = uint64_t{128} << 10;
constexpr size_t kResetVectorBytes = 16;

}  // namespace

Result<void> check_firmware(const Image& image) {
    const uint64_t size = image.bytes.size();
    if (size < kMinimumFirmware || size > kMaximumFirmware || size % 4096 != 0) {
        return fail("firmware image {}: {} bytes, expected a multiple of 4 KiB from 16 KiB to 16 MiB",
                    image.path, size);
    }
    const auto vector = std::span(image.bytes).last(kResetVectorBytes);
    const bool blank =
        std::all_of(vector.begin(), vector.end(), [&](uint8_t byte) { return byte == vector[0]; });
    if (blank) {
        return fail("firmware image {}: nothing at the reset vector (its last 16 bytes are all {:#04x})",
                    image.path, vector[0]);
    }
    return {};
}

Result<BootState> load_firmware(const Image& image, GuestMemory& memory) {
    if (auto checked = check_firmware(image); !checked) return Unexpected(checked.error());
    const uint64_t size = image.bytes.size();
    const uint64_t copied = std::min(size, kLowCopy);
    if (!memory.write(firmware_base(size), image.bytes)) {
        return fail("firmware image {}: no ROM of {} bytes at {:#x}", image.path, size,
                    firmware_base(size).value());
    }
    if (!memory.write(Gpa(MemoryLayout::kOneMiB - copied), std::span(image.bytes).last(copied))) {
        return fail("firmware image {}: the machine needs at least 1 MiB of memory", image.path);
    }
    return BootState{Gpa(MemoryLayout::kFourGiB - kResetVectorBytes), vmx::GuestEntryState::reset()};
}

}  // namespace vtless::vmm
