// SPDX-License-Identifier: MIT
#include "sim/mmu/tlb.h"

#include <utility>

namespace vtless::sim {

Tlb::Tlb() : slots_(size_t{1} << kFirstBits), mask_(slots_.size() - 1), shift_(64 - kFirstBits) {}

void Tlb::insert(const TlbEntry& entry) {
    store(entry);
    if (entry.guest_shift() > 12) {
        TlbEntry marker = entry;
        marker.page = large_marker(entry.page, entry.guest_shift());
        marker.gpa_rights |= TlbEntry::kGlobal;  // one that outlives its pages only costs time
        store(marker);
    }
}

void Tlb::store(const TlbEntry& entry) {
    if (used_ * 2 >= slots_.size()) rebuild();
    TlbEntry* reusable = nullptr;
    size_t slot = hash(entry.page);
    for (; slots_[slot].stamp != TlbEntry::kFree && slots_[slot].page != entry.page;
         slot = (slot + 1) & mask_) {
        if (reusable == nullptr && !valid(slots_[slot])) reusable = &slots_[slot];
    }
    TlbEntry* target = &slots_[slot];
    if (target->stamp == TlbEntry::kFree) {
        if (reusable != nullptr) {
            target = reusable;
        } else {
            ++used_;
        }
    }
    *target = entry;
    target->stamp = now_;
}

void Tlb::rebuild() {
    size_t live = 0;
    for (const TlbEntry& entry : slots_) live += entry.stamp != TlbEntry::kFree && valid(entry);
    size_t size = size_t{1} << kFirstBits;
    unsigned bits = kFirstBits;
    for (; live * 4 > size; size *= 2) ++bits;

    const std::vector<TlbEntry> old = std::exchange(slots_, std::vector<TlbEntry>(size));
    mask_ = size - 1;
    shift_ = 64 - bits;
    used_ = live;
    for (const TlbEntry& entry : old) {
        if (entry.stamp == TlbEntry::kFree || !valid(entry)) continue;
        size_t slot = hash(entry.page);
        while (slots_[slot].stamp != TlbEntry::kFree) slot = (slot + 1) & mask_;
        slots_[slot] = entry;
    }
}

bool Tlb::erase(uint64_t page) {
    const TlbEntry* entry = find(page);
    if (entry == nullptr) return false;
    slots_[static_cast<size_t>(entry - slots_.data())].stamp = TlbEntry::kErased;
    return true;
}

void Tlb::flush_page(uint64_t page) {
    erase(page);
    for (const unsigned guest_shift : {21u, 22u, 30u}) {
        const uint64_t marker = large_marker(page, guest_shift);
        if (find(marker) == nullptr) continue;
        erase(marker);
        flush_large(page, guest_shift);
    }
}

void Tlb::flush_large(uint64_t page, unsigned guest_shift) {
    const uint64_t pages = uint64_t{1} << (guest_shift - 12);
    const uint64_t first = page & ~(pages - 1);
    if (pages <= slots_.size()) {
        for (uint64_t sibling = first; sibling < first + pages; ++sibling) erase(sibling);
        return;
    }
    for (const TlbEntry& entry : slots_) {
        if (entry.stamp != TlbEntry::kFree && entry.page - first < pages) erase(entry.page);
    }
}

}  // namespace vtless::sim
