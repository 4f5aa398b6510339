// SPDX-License-Identifier: MIT
// Which frames of host-physical memory are handed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace vtless::capi {

// Frame numbers. First fit: what is handed out depends on the calls made alone. Frame 0 never is.
class Frames {
  public:
    explicit Frames(uint64_t count) : used_(count, false) { used_[0] = true; }

    // The first of `count` that lie together; alignment in frames, not 0.
    std::optional<uint64_t> take(uint64_t count, uint64_t alignment);
    bool are_taken(uint64_t first, uint64_t count) const;
    void give_back(uint64_t first, uint64_t count);

  private:
    std::vector<bool> used_;
    uint64_t lowest_free_ = 1;  // none is free below
};

}  // namespace vtless::capi
