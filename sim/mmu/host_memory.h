// SPDX-License-Identifier: MIT
// Host-physical memory: RAM at [0, size), handed out in frames of 4 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/addr.h"
#include "isa/expected.h"

namespace vtless::sim {

// Host pages are committed on first touch, so that a large RAM costs only what is used. Frame 0 is never
// handed out; the order in which frames are handed out depends only on the calls made. Satisfies
// x86::HostMemory.
class HostMemory {
  public:
    static constexpr uint64_t kFrameSize = 4096;
    using WriteListener = void (*)(void* context, Hpa first, uint64_t bytes);

    // Size in bytes, a multiple of 4 KiB, at least two frames. The error is the host's errno.
    static Expected<HostMemory, int> create(uint64_t size);
    HostMemory(HostMemory&& other) noexcept;
    HostMemory& operator=(HostMemory&& other) noexcept;
    HostMemory(const HostMemory&) = delete;
    HostMemory& operator=(const HostMemory&) = delete;
    ~HostMemory();

    uint64_t size() const { return size_; }
    uint8_t* base() const { return base_; }
    // Whether [hpa, hpa + bytes) is RAM.
    bool contains(Hpa hpa, uint64_t bytes) const {
        return hpa.value() < size_ && bytes <= size_ - hpa.value();
    }
    // The byte at hpa, or nullptr outside RAM. Good up to the end of its frame.
    uint8_t* map(Hpa hpa) const { return hpa.value() < size_ ? base_ + hpa.value() : nullptr; }

    // Frames are zeroed. False, and frame unchanged, when there is none left.
    bool allocate_frame(Hpa& frame);
    // Physically contiguous; alignment in bytes, a power of two of at least 4 KiB.
    bool allocate_frames(uint64_t count, uint64_t alignment, Hpa& first);
    // frame must have been handed out; it may be handed out again.
    void free_frame(Hpa frame);
    uint64_t free_frames() const;

    // Every host-side writer of guest memory must call note_write, before or after it writes: each processor
    // on this memory listens.
    void add_write_listener(WriteListener listener, void* context) {
        listeners_.push_back({listener, context});
    }
    void remove_write_listener(void* context) {
        std::erase_if(listeners_, [&](const Listening& each) { return each.context == context; });
    }
    void note_write(Hpa first, uint64_t bytes) const {
        for (const Listening& each : listeners_) each.listener(each.context, first, bytes);
    }

  private:
    struct Listening {
        WriteListener listener = nullptr;
        void* context = nullptr;
    };

    HostMemory(uint8_t* base, uint64_t size) : base_(base), size_(size) {}
    void release();

    uint8_t* base_ = nullptr;
    uint64_t size_ = 0;
    uint64_t next_ = kFrameSize;   // everything at or above it was never handed out
    std::vector<uint64_t> freed_;  // a stack of frames below next_
    std::vector<Listening> listeners_;
};

}  // namespace vtless::sim
