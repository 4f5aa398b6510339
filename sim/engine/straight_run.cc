// SPDX-License-Identifier: MIT
#include "sim/engine/straight_run.h"

namespace vtless::sim {

uint16_t StraightRun::append(const CodeBlock& block, size_t instruction) {
    const uint16_t ticks =
        prices_.append(block.ids[instruction], block.bytes_of(instruction), code_bits(block.mode));
    if (ends_straight_run(block.ids[instruction])) prices_.restart();
    return ticks;
}

const CodeBlock& StraightRun::enter(const CodeBlock& block, uint64_t linear) {
    if (!goes_on_at(linear)) prices_.restart();
    before_ = prices_;
    last_ ^= 1;
    CodeBlock& here = entered_[last_];
    here = block;
    here.stop = {};
    here.ticks = 0;
    for (size_t i = 0; i < here.count(); ++i) {
        here.costs[i] = append(here, i);
        here.ticks += here.costs[i];
    }
    next_ = block.ends_run ? kNowhere : linear + block.size;
    return here;
}

uint16_t StraightRun::enter(uint64_t linear, unsigned capstone_id, std::span<const std::byte> bytes,
                            unsigned bits) {
    if (!goes_on_at(linear)) prices_.restart();
    next_ = ends_straight_run(capstone_id) ? kNowhere : linear + bytes.size();
    return prices_.append(capstone_id, bytes, bits);
}

void StraightRun::leave(const CodeBlock& block, uint64_t linear, uint64_t offset) {
    if (&block == &entered_[last_]) {
        prices_ = before_;
    } else {
        prices_.restart();
    }
    for (size_t i = 0; i < block.count() && block.offsets[i] < offset; ++i) append(block, i);
    next_ = linear + offset;
}

}  // namespace vtless::sim
