// SPDX-License-Identifier: MIT
// Host-physical memory: frames, copies, mappings.
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "capi/handles.h"

using namespace vtless;
using namespace vtless::capi;

namespace {

constexpr uint64_t kFrame = sim::HostMemory::kFrameSize;

vtless_error check_range(const Machine& machine, uint64_t hpa, uint64_t bytes) {
    if (machine.memory.contains(Hpa(hpa), bytes)) return VTLESS_OK;
    return refuse(VTLESS_BAD_ADDRESS, "{:#x} bytes at {:#x} are not all memory, which ends at {:#x}", bytes,
                  hpa, machine.memory.size());
}

void zero(const Machine& machine, uint64_t hpa, uint64_t bytes) {
    constexpr uint64_t kLarge = 64 * kFrame;
    uint8_t* const at = machine.memory.base() + hpa;
    // Fresh pages of the host, which are zero, where that is cheaper than writing.
    if (bytes < kLarge || ::madvise(at, bytes, MADV_DONTNEED) != 0) std::memset(at, 0, bytes);
    machine.memory.note_write(Hpa(hpa), bytes);
}

}  // namespace

uint64_t vtless_memory_size(vtless_machine* machine) {
    return check(machine) == VTLESS_OK ? machine->body->memory.size() : 0;
}

vtless_error vtless_alloc_frames(vtless_machine* machine, uint64_t count, uint64_t alignment, uint64_t* hpa) {
    if (const auto error = check(machine, hpa, "hpa")) return error;
    if (count == 0) return refuse(VTLESS_BAD_SIZE, "no frames are wanted");
    if (!std::has_single_bit(alignment) || alignment < kFrame)
        return refuse(VTLESS_BAD_VALUE, "alignment {:#x} is not a power of two of at least 4096", alignment);
    const auto first = machine->body->frames.take(count, alignment / kFrame);
    if (!first)
        return refuse(VTLESS_NO_MEMORY, "no {} free frames lie together, aligned to {:#x}", count, alignment);
    zero(*machine->body, *first * kFrame, count * kFrame);
    *hpa = *first * kFrame;
    return VTLESS_OK;
}

vtless_error vtless_free_frames(vtless_machine* machine, uint64_t hpa, uint64_t count) {
    if (const auto error = check(machine)) return error;
    Frames& frames = machine->body->frames;
    if (hpa % kFrame != 0 || count == 0 || !frames.are_taken(hpa / kFrame, count))
        return refuse(VTLESS_BAD_ADDRESS, "{} frames at {:#x} are not all allocated", count, hpa);
    frames.give_back(hpa / kFrame, count);
    return VTLESS_OK;
}

vtless_error vtless_read(vtless_machine* machine, uint64_t hpa, void* to, uint64_t bytes) {
    if (const auto error = check(machine, to, "to")) return error;
    if (const auto error = check_range(*machine->body, hpa, bytes)) return error;
    std::memcpy(to, machine->body->memory.base() + hpa, bytes);
    return VTLESS_OK;
}

vtless_error vtless_write(vtless_machine* machine, uint64_t hpa, const void* from, uint64_t bytes) {
    if (const auto error = check(machine, from, "from")) return error;
    if (const auto error = check_range(*machine->body, hpa, bytes)) return error;
    std::memcpy(machine->body->memory.base() + hpa, from, bytes);
    machine->body->memory.note_write(Hpa(hpa), bytes);
    return VTLESS_OK;
}

vtless_error vtless_map(vtless_machine* machine, uint64_t hpa, uint64_t bytes, uint32_t mode,
                        void** pointer) {
    if (const auto error = check(machine, pointer, "pointer")) return error;
    if (bytes == 0) return refuse(VTLESS_BAD_SIZE, "a mapping of no bytes");
    if (const auto error = check_range(*machine->body, hpa, bytes)) return error;
    if (mode != VTLESS_MAP_CHECKED && mode != VTLESS_MAP_NOTED)
        return refuse(VTLESS_BAD_VALUE, "there is no mode {} of mappings", mode);
    Machine& body = *machine->body;
    void* const at = body.memory.base() + hpa;
    body.mappings.push_back({at, {hpa, bytes}, mode});
    if (mode == VTLESS_MAP_CHECKED) body.watch_again();
    *pointer = at;
    return VTLESS_OK;
}

vtless_error vtless_unmap(vtless_machine* machine, void* pointer) {
    if (const auto error = check(machine)) return error;
    Machine& body = *machine->body;
    const auto found = std::find_if(body.mappings.begin(), body.mappings.end(),
                                    [&](const Mapping& each) { return each.pointer == pointer; });
    if (found == body.mappings.end())
        return refuse(VTLESS_BAD_ADDRESS, "no mapping begins at this pointer of the host");
    body.mappings.erase(found);
    body.watch_again();
    return VTLESS_OK;
}

vtless_error vtless_note_write(vtless_machine* machine, uint64_t hpa, uint64_t bytes) {
    if (const auto error = check(machine)) return error;
    if (const auto error = check_range(*machine->body, hpa, bytes)) return error;
    machine->body->memory.note_write(Hpa(hpa), bytes);
    return VTLESS_OK;
}
