// SPDX-License-Identifier: MIT
// Entries above those of 4-KiB pages that walks have used: what a processor
// keeps of them in its paging-structure caches, and as translations of large
// pages.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace vtless::sim {

// By level, 2 and up, and by the bits of the address that the entry was found by.
template <class Entry>
class StructureCache {
  public:
    static constexpr unsigned kLowestLevel = 2;

    const Entry* find(unsigned level, uint64_t prefix) const {
        const auto found = entries_.find(key(level, prefix));
        return found == entries_.end() ? nullptr : &found->second;
    }
    void insert(unsigned level, uint64_t prefix, const Entry& entry) {
        entries_.insert_or_assign(key(level, prefix), entry);
    }
    void erase(unsigned level, uint64_t prefix) { entries_.erase(key(level, prefix)); }
    void clear() { entries_.clear(); }

  private:
    static uint64_t key(unsigned level, uint64_t prefix) { return prefix << 3 | level; }

    std::unordered_map<uint64_t, Entry> entries_;
};

}  // namespace vtless::sim
