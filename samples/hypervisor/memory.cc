// SPDX-License-Identifier: MIT
#include "samples/hypervisor/memory.h"

namespace hypervisor {

using vtless::Gpa;
using vtless::Hpa;

namespace {

constexpr uint64_t kFrameBytes = 4096;
constexpr uint64_t kAllRights = 7;
constexpr uint64_t kWriteBack = 6 << 3;
constexpr uint64_t kFramesEnd = 0x800000;

}  // namespace

bool FrameAllocator::allocate_frame(Hpa& frame) {
    uint64_t address = reinterpret_cast<uint64_t>(free_);
    if (free_ != nullptr) {
        free_ = free_->next;
    } else {
        if (next_ == kFramesEnd) return false;
        address = next_;
        next_ += kFrameBytes;
    }
    __builtin_memset(reinterpret_cast<void*>(address), 0, kFrameBytes);
    frame = Hpa(address);
    return true;
}

void FrameAllocator::free_frame(Hpa frame) {
    auto* freed = reinterpret_cast<Free*>(frame.value());
    freed->next = free_;
    free_ = freed;
}

// SDM Vol. 3C "EPT Paging-Structure Entries" (29.3.2).
GuestMemory::GuestMemory(FrameAllocator& frames) : frames_(frames) {
    uint64_t* tables[4];
    for (uint64_t*& table : tables) table = new_table();
    for (unsigned level = 0; level < 3; ++level)
        tables[level][0] = reinterpret_cast<uint64_t>(tables[level + 1]) | kAllRights;
    root_ = Hpa(reinterpret_cast<uint64_t>(tables[0]));
    leaves_ = tables[3];
    for (uint64_t at = 0; at < kBytes; at += kFrameBytes)
        if (at != kOnDemand) give(Gpa(at));
}

uint64_t* GuestMemory::new_table() {
    Hpa frame;
    if (!frames_.allocate_frame(frame)) __builtin_trap();
    return reinterpret_cast<uint64_t*>(frames_.map(frame));
}

uint8_t* GuestMemory::at(Gpa address) { return reinterpret_cast<uint8_t*>(kBase + address.value()); }

bool GuestMemory::give(Gpa address) {
    if (address.value() >= kBytes) return false;
    const uint64_t page = address.value() / kFrameBytes;
    leaves_[page] = (kBase + page * kFrameBytes) | kWriteBack | kAllRights;
    return true;
}

}  // namespace hypervisor
