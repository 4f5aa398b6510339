// SPDX-License-Identifier: MIT
// The caller's EPT as KVM's memory slots.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "isa/x86/ept.h"
#include "vcpu/kvm/failure.h"

namespace vtless::kvm {

// Where the embedder has the bytes of a 4-KiB frame of its host-physical memory; nullptr: nowhere. They stay
// there as long as the VM lives.
struct HostMemoryMap {
    uint8_t* (*function)(void* context, Hpa frame) = nullptr;
    void* context = nullptr;

    uint8_t* operator()(Hpa frame) const { return function == nullptr ? nullptr : function(context, frame); }

    // memory.map(frame), as an x86::HostMemory has it. It must outlive the VM.
    template <class M>
    static HostMemoryMap of(M& memory) {
        return {[](void* owner, Hpa frame) -> uint8_t* { return static_cast<M*>(owner)->map(frame); },
                &memory};
    }
};

struct MemorySlot {
    Gpa guest;
    uint64_t bytes = 0;
    uint8_t* host = nullptr;
    bool read_only = false;  // and execute; a write is an MmioWrite

    friend bool operator==(const MemorySlot&, const MemorySlot&) = default;
};

struct SlotLimits {
    size_t slots = 32;
    bool read_only = true;      // KVM has read-only slots
    x86::EptFeatures features;  // as the EPT was made for
    bool kernel_apics = false;  // guest-physical page FEE00000H is not memory's
};

// Pages that are contiguous in the guest and here, with equal rights, make one slot; in the order of their
// addresses. What KVM cannot express is refused: Unsupported, with the LayoutRefusal and the first such page.
Result<std::vector<MemorySlot>> memory_slots(Hpa ept_root, const HostMemoryMap& memory,
                                             const SlotLimits& limits);

}  // namespace vtless::kvm
