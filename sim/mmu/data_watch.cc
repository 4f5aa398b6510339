// SPDX-License-Identifier: MIT
#include "sim/mmu/data_watch.h"

#include <algorithm>

namespace vtless::sim {
namespace {

constexpr uint64_t kPageBytes = 0x1000;

uint64_t page_of(uint64_t address) { return address & ~(kPageBytes - 1); }

bool overlap(uint64_t a, uint64_t a_count, uint64_t b, uint64_t b_count) {
    return a - b < b_count || b - a < a_count;
}

}  // namespace

bool DataWatch::set(std::span<const WatchedBytes> bytes) {
    std::array<Entry, kMax> next{};
    for (size_t i = 0; i < std::min(bytes.size(), kMax); ++i) next[i].bytes = bytes[i];
    const bool same = std::equal(next.begin(), next.end(), entries_.begin(),
                                 [](const Entry& a, const Entry& b) { return a.bytes == b.bytes; });
    if (same) return false;
    entries_ = next;
    any_ = std::any_of(next.begin(), next.end(), [](const Entry& entry) { return entry.bytes.count != 0; });
    hits_ = 0;
    return true;
}

bool DataWatch::is_watched(uint64_t linear_page) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.bytes.count != 0 && page_of(entry.bytes.first) == linear_page;
    });
}

// A store is noted before the second of its pages is opened.
void DataWatch::opened(uint64_t linear_page, uint64_t physical_page) {
    for (size_t i = 0; i < kMax; ++i) {
        Entry& entry = entries_[i];
        if (page_of(entry.bytes.first) != linear_page) continue;
        entry.physical_page = physical_page;
        if (entry.bytes.count != 0 && entry.bytes.first % kPageBytes < stored_beyond_) note(i, true);
    }
}

void DataWatch::close() {
    for (Entry& entry : entries_) entry.physical_page = kClosed;
}

void DataWatch::note_linear(Gva first, size_t count, bool store) {
    for (size_t i = 0; i < kMax; ++i) {
        const WatchedBytes& bytes = entries_[i].bytes;
        if (bytes.count != 0 && overlap(first.value(), count, bytes.first, bytes.count)) note(i, store);
    }
}

// Of an access that crosses into another page only the first byte's address is known: what comes behind it is
// taken for that of each watched page which the instruction has opened.
void DataWatch::note_physical(uint64_t first, size_t count, bool store) {
    const uint64_t offset = first % kPageBytes;
    const uint64_t beyond = offset + count > kPageBytes ? offset + count - kPageBytes : 0;
    if (store && beyond != 0) stored_beyond_ = beyond;
    for (size_t i = 0; i < kMax; ++i) {
        const Entry& entry = entries_[i];
        if (entry.bytes.count == 0 || entry.physical_page == kClosed) continue;
        const uint64_t at = entry.bytes.first % kPageBytes;
        const bool here =
            entry.physical_page == page_of(first) && overlap(offset, count, at, entry.bytes.count);
        if (here || at < beyond) note(i, store);
    }
}

}  // namespace vtless::sim
