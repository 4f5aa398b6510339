// SPDX-License-Identifier: MIT
// Which pages of a large anonymous mapping have ever been touched: the others are zeros, and reading them
// would cost a page fault each.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace vtless::vmm {

// Visits pages of 4 KiB in the order of their addresses: at least all that are not zero. memory begins at a
// page and is of anonymous private pages.
void for_each_touched_page(std::span<const uint8_t> memory,
                           const std::function<void(std::span<const uint8_t>)>& visit);

}  // namespace vtless::vmm
