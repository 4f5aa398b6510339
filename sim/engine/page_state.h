// SPDX-License-Identifier: MIT
// Which host-physical pages hold translated code, and which the guest can write without being seen.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "isa/addr.h"

namespace vtless::sim {

// Unicorn does not track dirty pages, so code that is rewritten through a writable translation would run
// stale. The protocol: a page gets its first block -> if it has writers, all translations go. A store to a
// page with code -> either every store stays checked (page writable and executable), or the code goes first.
class PageStates {
  public:
    explicit PageStates(uint64_t bytes) : pages_(bytes >> 12) {}

    bool has_code(Hpa at) const { return pages_[at.frame_number()].code; }
    void set_code(Hpa at, bool value) { pages_[at.frame_number()].code = value; }

    bool has_writer(Hpa at) const {
        const Page& page = pages_[at.frame_number()];
        return page.writer_epoch == epoch_;
    }
    void add_writer(Hpa at) { pages_[at.frame_number()].writer_epoch = epoch_; }
    // Unicorn's TLB was flushed: no translation is left.
    void forget_writers() { ++epoch_; }

    // Counts a fill for a checked store. True on the 8th, 16th, 32nd, ...: then dropping the page's code is
    // cheaper than checking each store.
    bool code_has_lost_its_use(Hpa at) {
        const uint8_t count = ++pages_[at.frame_number()].checked_fills;
        return count >= 8 && std::has_single_bit(count);
    }

  private:
    struct Page {
        uint32_t writer_epoch = 0;
        uint8_t checked_fills = 0;
        bool code = false;
    };
    std::vector<Page> pages_;
    uint32_t epoch_ = 1;
};

}  // namespace vtless::sim
