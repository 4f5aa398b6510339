// SPDX-License-Identifier: MIT
#include "vmm/memory/guest_memory.h"

#include <algorithm>
#include <cstring>

namespace vtless::vmm {

bool GuestMemory::add(const MemoryRegion& region) {
    const uint64_t last = region.first.value() + region.size - 1;
    if (region.size == 0 || last < region.first.value()) return false;
    const auto next = std::find_if(regions_.begin(), regions_.end(),
                                   [&](const MemoryRegion& other) { return other.first >= region.first; });
    if (next != regions_.end() && next->first.value() <= last) return false;
    if (next != regions_.begin()) {
        const MemoryRegion& previous = *(next - 1);
        if (region.first - previous.first < previous.size) return false;
    }
    regions_.insert(next, region);
    return true;
}

const MemoryRegion* GuestMemory::find(Gpa address) const {
    for (const MemoryRegion& region : regions_) {
        if (address >= region.first && address - region.first < region.size) return &region;
    }
    return nullptr;
}

uint64_t GuestMemory::available(Gpa address, uint64_t size) const {
    uint64_t found = 0;
    while (found < size) {
        const MemoryRegion* region = find(address + found);
        if (region == nullptr) break;
        found += std::min(size - found, region->size - (address + found - region->first));
    }
    return found;
}

bool GuestMemory::read(Gpa address, std::span<uint8_t> out) const {
    if (available(address, out.size()) != out.size()) return false;
    for (uint64_t done = 0; done < out.size();) {
        const MemoryRegion& region = *find(address + done);
        const uint64_t offset = address + done - region.first;
        const uint64_t piece = std::min<uint64_t>(out.size() - done, region.size - offset);
        std::memcpy(out.data() + done, region.bytes + offset, piece);
        done += piece;
    }
    return true;
}

bool GuestMemory::write(Gpa address, std::span<const uint8_t> bytes) {
    if (available(address, bytes.size()) != bytes.size()) return false;
    for (uint64_t done = 0; done < bytes.size();) {
        const MemoryRegion& region = *find(address + done);
        const uint64_t offset = address + done - region.first;
        const uint64_t piece = std::min<uint64_t>(bytes.size() - done, region.size - offset);
        if (listener_) listener_(region.host + offset, piece);
        std::memcpy(region.bytes + offset, bytes.data() + done, piece);
        done += piece;
    }
    return true;
}

bool GuestMemory::write_zeros(Gpa address, uint64_t size) {
    return write(address, std::vector<uint8_t>(size));
}

}  // namespace vtless::vmm
