// SPDX-License-Identifier: MIT
#include "sim/mmu/host_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "isa/check.h"

namespace vtless::sim {

Expected<HostMemory, int> HostMemory::create(uint64_t size) {
    if (size % kFrameSize != 0 || size < 2 * kFrameSize || size > SIZE_MAX) return Unexpected(EINVAL);
    void* base =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return Unexpected(errno);
    return HostMemory(static_cast<uint8_t*>(base), size);
}

HostMemory::HostMemory(HostMemory&& other) noexcept { *this = std::move(other); }

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept {
    if (this == &other) return *this;
    release();
    base_ = std::exchange(other.base_, nullptr);
    size_ = std::exchange(other.size_, 0);
    next_ = std::exchange(other.next_, kFrameSize);
    freed_ = std::move(other.freed_);
    listeners_ = std::move(other.listeners_);
    return *this;
}

HostMemory::~HostMemory() { release(); }

void HostMemory::release() {
    if (base_ != nullptr) ::munmap(base_, size_);
}

bool HostMemory::allocate_frame(Hpa& frame) {
    if (!freed_.empty()) {
        frame = Hpa(freed_.back());
        freed_.pop_back();
        std::memset(base_ + frame.value(), 0, kFrameSize);
        note_write(frame, kFrameSize);
        return true;
    }
    return allocate_frames(1, kFrameSize, frame);
}

bool HostMemory::allocate_frames(uint64_t count, uint64_t alignment, Hpa& first) {
    VTLESS_CHECK(count != 0 && alignment >= kFrameSize && (alignment & (alignment - 1)) == 0);
    const uint64_t start = (next_ + alignment - 1) & ~(alignment - 1);
    if (start < next_ || start > size_ || count > (size_ - start) / kFrameSize) return false;
    for (uint64_t skipped = next_; skipped < start; skipped += kFrameSize) freed_.push_back(skipped);
    next_ = start + count * kFrameSize;
    first = Hpa(start);
    return true;
}

void HostMemory::free_frame(Hpa frame) {
    VTLESS_CHECK(frame.page_offset() == 0 && frame.value() >= kFrameSize && frame.value() < next_);
    freed_.push_back(frame.value());
}

uint64_t HostMemory::free_frames() const { return freed_.size() + (size_ - next_) / kFrameSize; }

}  // namespace vtless::sim
