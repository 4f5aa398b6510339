// SPDX-License-Identifier: MIT
#include "vmm/mmio_bus.h"

#include <algorithm>

namespace vtless::vmm {

namespace {

constexpr uint64_t width_mask(AccessWidth width) { return ~uint64_t{0} >> (64 - 8 * bytes(width)); }

}  // namespace

bool MmioBus::attach(Gpa first, uint64_t size, MmioDevice& device) {
    const uint64_t last = first.value() + size - 1;
    if (size == 0 || last < first.value()) return false;
    const bool overlaps = std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
        return first.value() <= range.first.value() + range.size - 1 && range.first.value() <= last;
    });
    if (!overlaps) ranges_.push_back({first, size, &device});
    return !overlaps;
}

MmioDevice* MmioBus::find(Gpa address) const {
    for (const Range& range : ranges_) {
        if (address >= range.first && address - range.first < range.size) return range.device;
    }
    return nullptr;
}

uint64_t MmioBus::read(Gpa address, AccessWidth width) {
    MmioDevice* device = find(address);
    return (device == nullptr ? ~uint64_t{0} : device->read_mmio(address, width)) & width_mask(width);
}

void MmioBus::write(Gpa address, AccessWidth width, uint64_t value) {
    if (MmioDevice* device = find(address)) device->write_mmio(address, width, value & width_mask(width));
}

}  // namespace vtless::vmm
