// SPDX-License-Identifier: MIT
// What instructions cost is a matter of those before them, up to a jump or to something that happens to the
// guest. Where the engine cuts code into blocks, stops inside one or steps is no such thing: a run goes on
// where it was left.
#pragma once

#include <array>
#include <cstdint>

#include "sim/engine/code_map.h"
#include "sim/engine/instruction_prices.h"

namespace vtless::sim {

class StraightRun {
  public:
    explicit StraightRun(const InstructionCosts& costs) : prices_(costs), before_(costs) {}

    // Whether the next block's costs may be others than its own.
    bool goes_on() const { return next_ != kNowhere; }
    bool goes_on_at(uint64_t linear) const { return next_ == linear; }
    void end() { next_ = kNowhere; }
    // Whether the block is one that enter() has returned, at costs of this time only.
    bool priced(const CodeBlock& block) const { return &block == &entered_[0] || &block == &entered_[1]; }

    // The block at `linear` with what its instructions cost here. Valid until the call after the next one.
    const CodeBlock& enter(const CodeBlock& block, uint64_t linear);
    // A single instruction that the caller carries out.
    uint16_t enter(uint64_t linear, unsigned capstone_id, std::span<const std::byte> bytes, unsigned bits);
    // The block that was entered at `linear`, here or as it is, has run up to `offset`: there it goes on.
    void leave(const CodeBlock& block, uint64_t linear, uint64_t offset);

  private:
    static constexpr uint64_t kNowhere = ~uint64_t{0};

    uint16_t append(const CodeBlock& block, size_t instruction);

    uint64_t next_ = kNowhere;  // linear
    InstructionPrices prices_;
    InstructionPrices before_;  // what prices_ were before the block
    std::array<CodeBlock, 2> entered_;
    size_t last_ = 0;
};

}  // namespace vtless::sim
