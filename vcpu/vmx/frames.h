// SPDX-License-Identifier: MIT
// The frames of host-physical memory that one vCPU owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "isa/x86/vmx_hw.h"
#include "vcpu/vmx/failure.h"

namespace vtless::vmx {

// N frames, freed on destruction. Empty after a move.
template <x86::HostMemory Memory, size_t N>
class Frames {
  public:
    Frames() = default;
    Frames(Frames&& other) : memory_(std::exchange(other.memory_, nullptr)), frames_(other.frames_) {}
    Frames& operator=(Frames&&) = delete;
    ~Frames() {
        if (memory_ == nullptr) return;
        for (Hpa frame : frames_)
            if (frame != Hpa()) memory_->free_frame(frame);
    }

    // All or nothing.
    Result<void> allocate(Memory& memory) {
        memory_ = &memory;
        for (Hpa& frame : frames_) {
            if (!memory.allocate_frame(frame)) {
                frame = Hpa();
                return fail(VCpuErrc::NoMemory);
            }
            if (memory.map(frame) == nullptr) return fail_with(VCpuErrc::Backend, Failure::UnmappedFrame);
        }
        return {};
    }

    bool empty() const { return memory_ == nullptr; }
    Hpa address(size_t index) const { return frames_[index]; }
    uint8_t* bytes(size_t index) { return memory_->map(frames_[index]); }

  private:
    Memory* memory_ = nullptr;
    std::array<Hpa, N> frames_{};
};

// The first four bytes of a VMCS or VMXON region. SDM Vol. 3C "Format of the VMCS Region" (25.2).
inline void write_revision(uint8_t* region, uint32_t revision) {
    for (unsigned i = 0; i < 4; ++i) region[i] = static_cast<uint8_t>(revision >> (8 * i));
}

}  // namespace vtless::vmx
