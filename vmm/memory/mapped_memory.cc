// SPDX-License-Identifier: MIT
#include "vmm/memory/mapped_memory.h"

#include <cstring>

namespace vtless::vmm {

namespace {

// Host memory besides the guest's: EPT, VMX structures, and room for guests' RAM to start at 2 MiB.
constexpr uint64_t kOverhead = 64 << 20;
constexpr uint64_t kFrame = sim::HostMemory::kFrameSize;
constexpr uint64_t kLargePage = 2 << 20;

}  // namespace

Result<MappedMemory> MappedMemory::create(const MemoryLayout& layout, uint64_t rom) {
    const uint64_t size = layout.below_4g + layout.above_4g + rom + kOverhead;
    auto memory = sim::HostMemory::create(size);
    if (!memory) {
        return fail("cannot reserve {} bytes of host memory for the guest: {}", size,
                    std::strerror(memory.error()));
    }
    return MappedMemory(std::move(*memory));
}

bool MappedMemory::map_region(Gpa first, uint64_t size, Hpa host, bool writable) {
    const uint64_t rights = writable ? x86::ept::RWX : x86::ept::READ | x86::ept::EXECUTE;
    return guest_memory_.add({first, size, host, memory_.map(host), writable}) &&
           ept_->map({first, host, size, rights});
}

Result<void> MappedMemory::map_guest(const MemoryLayout& layout, uint64_t rom) {
    const uint64_t memory = layout.below_4g + layout.above_4g;
    auto ept = EptTable<sim::HostMemory>::create(memory_);
    if (ept) ept_.emplace(std::move(*ept));
    Hpa ram;
    Hpa rom_frames;
    bool done = ept_ && memory_.allocate_frames(memory / kFrame, kLargePage, ram) &&
                (rom == 0 || memory_.allocate_frames(rom / kFrame, kFrame, rom_frames));
    // The video hole is not memory.
    done = done && map_region(Gpa(0), MemoryLayout::kVideoStart, ram, true) &&
           map_region(Gpa(MemoryLayout::kVideoEnd), layout.below_4g - MemoryLayout::kVideoEnd,
                      ram + MemoryLayout::kVideoEnd, true);
    if (layout.above_4g != 0) {
        done = done && map_region(Gpa(MemoryLayout::kFourGiB), layout.above_4g, ram + layout.below_4g, true);
    }
    if (rom != 0) done = done && map_region(Gpa(MemoryLayout::kFourGiB - rom), rom, rom_frames, false);
    if (!done) return fail("cannot map {} bytes of guest memory", memory + rom);
    guest_memory_.set_write_listener([this](Hpa first, uint64_t bytes) { memory_.note_write(first, bytes); });
    return {};
}

}  // namespace vtless::vmm
