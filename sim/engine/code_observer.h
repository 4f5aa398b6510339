// SPDX-License-Identifier: MIT
// Who wants to see the guest's code as the engine comes to know it.
#pragma once

#include <cstddef>
#include <span>

namespace vtless::sim {

struct CodeBlock;

class CodeObserver {
  public:
    CodeObserver() = default;
    CodeObserver(const CodeObserver&) = delete;
    CodeObserver& operator=(const CodeObserver&) = delete;
    virtual ~CodeObserver() = default;

    // A new block, before it runs. The same place is seen again when its code has changed.
    virtual void on_new_block(const CodeBlock& block, std::span<const std::byte> bytes) = 0;
};

}  // namespace vtless::sim
