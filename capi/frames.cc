// SPDX-License-Identifier: MIT
#include "capi/frames.h"

#include <algorithm>

namespace vtless::capi {

std::optional<uint64_t> Frames::take(uint64_t count, uint64_t alignment) {
    const uint64_t end = used_.size();
    const auto aligned = [&](uint64_t frame) { return (frame + alignment - 1) / alignment * alignment; };
    if (count == 0 || count > end || alignment > end) return std::nullopt;
    uint64_t first = aligned(lowest_free_);
    for (uint64_t at = first; first <= end - count;) {
        if (at == first + count) break;
        if (used_[at]) {
            first = at = aligned(at + 1);
        } else {
            ++at;
        }
    }
    if (first > end - count) return std::nullopt;
    std::fill_n(used_.begin() + static_cast<ptrdiff_t>(first), count, true);
    while (lowest_free_ < end && used_[lowest_free_]) ++lowest_free_;
    return first;
}

bool Frames::are_taken(uint64_t first, uint64_t count) const {
    if (first == 0 || first >= used_.size() || count > used_.size() - first) return false;
    const auto begin = used_.begin() + static_cast<ptrdiff_t>(first);
    return std::all_of(begin, begin + static_cast<ptrdiff_t>(count), [](bool used) { return used; });
}

void Frames::give_back(uint64_t first, uint64_t count) {
    std::fill_n(used_.begin() + static_cast<ptrdiff_t>(first), count, false);
    lowest_free_ = std::min(lowest_free_, first);
}

}  // namespace vtless::capi
