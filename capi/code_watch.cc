// SPDX-License-Identifier: MIT
#include "capi/code_watch.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace vtless::capi {
namespace {

constexpr uint64_t kFrame = sim::HostMemory::kFrameSize;

uint64_t hash_of(const sim::HostMemory& memory, uint64_t page) {
    return XXH3_64bits(memory.map(Hpa(page)), kFrame);
}

}  // namespace

void CodeWatch::remember(const sim::Engine& engine, const sim::HostMemory& memory, Range range) {
    const uint64_t end = range.first + range.bytes;
    for (uint64_t page = range.first & ~(kFrame - 1); page < end; page += kFrame) {
        if (engine.has_code(Hpa(page))) pages_.push_back({page, hash_of(memory, page)});
    }
}

void CodeWatch::check(const sim::HostMemory& memory) {
    for (const Page& page : pages_) {
        if (hash_of(memory, page.address) != page.hash) memory.note_write(Hpa(page.address), kFrame);
    }
    pages_.clear();
}

}  // namespace vtless::capi
