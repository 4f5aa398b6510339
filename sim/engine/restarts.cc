// SPDX-License-Identifier: MIT
// Entries of blocks that run nothing, or the same again: the end of a REP instruction, and stores to the
// block that they are in. Unicorn rolls such a store back, drops the block, and starts again at the
// instruction.
#include <algorithm>
#include <cstring>

#include "isa/bits.h"
#include "sim/engine/engine.h"
#include "sim/engine/image_layout.h"

namespace vtless::sim {

// The instruction starts again as a block of its own, its store undone. Nothing else makes a block of the
// same instruction that lies inside the block before it, be it at its start, except that the last instruction
// may branch to itself.
bool Engine::cut_last_block_short(uint64_t pc, const CodeBlock& block) const {
    if (stepping_ || last_block_ == nullptr || block.count() != 1 || block.repeats) return false;
    const uint64_t offset = pc - last_pc_;
    if (offset >= last_block_->size) return false;
    const auto& offsets = last_block_->offsets;
    const auto found = std::ranges::lower_bound(offsets, offset);
    if (found == offsets.end() || *found != offset) return false;
    const auto index = static_cast<size_t>(found - offsets.begin());
    if (!std::ranges::equal(block.code, last_block_->bytes_of(index))) return false;
    return offset != offsets.back() || !last_block_->ends_in_loop;
}

// If the block does that, takes back what the block before was charged for it and for what follows it.
bool Engine::starts_again(uint64_t pc, const CodeBlock& block) {
    if (!cut_last_block_short(pc, block)) return false;
    if (at_hook(pc)) state_.set_lazy_flags(hooked_flags_);
    const CodeBlock::Rest rest = last_block_->rest_from(pc - last_pc_);
    ticks_ -= rest.ticks;
    instructions_ -= rest.count;
    if (config_.profile != nullptr && config_.profile->in_guest()) config_.profile->counted(instructions_);
    run_.leave(*last_block_, last_pc_, pc - last_pc_);
    block.restarts = true;
    return true;
}

// Each iteration of a REP instruction enters its block again.
bool Engine::continues_repeat(const BlockSlot& slot) const {
    return slot.block->count() == 1 && last_block_ != nullptr && last_block_->repeats &&
           last_pc_ + last_block_->offsets.back() == slot.pc;
}

bool Engine::between_iterations() const {
    return last_block_ != nullptr && last_block_->repeats &&
           linear_rip() == last_pc_ + last_block_->offsets.back();
}

uint64_t Engine::repeat_count(const CodeBlock& block) const {
    return low_bytes(state_.gpr(x86::Gpr::RCX), block.count_bytes);
}

// After the last iteration the block is entered once more, only to find the count at 0. That entry costs
// nothing, so that the sum is the number of iterations wherever the guest was stopped between them. And an
// iteration that starts again has been counted.
bool Engine::repeat_is_paid(const CodeBlock& block) const {
    const uint64_t count = repeat_count(block);
    if (count == 0) return true;
    return last_block_->count() == 1 ? count == repeat_count_ : first_iteration_starts_again(block);
}

// Whether the first iteration, at the end of a longer block, was a store into that block: the count at its
// start is not known. Then the store is yet to come; else the one before it has been done.
bool Engine::first_iteration_starts_again(const CodeBlock& block) const {
    const uint64_t width = block.repeat_width;  // 64 bits: it is negated
    if (width == 0) return false;
    int32_t direction;  // RFLAGS in the image lacks DF here
    std::memcpy(&direction, state_.image() + layout::kDirection, sizeof direction);
    const uint64_t step = direction < 0 ? 0 - width : width;
    const auto place = [&](x86::SegmentRegister segment, x86::Gpr index, uint64_t back) {
        const uint64_t base = block.mode == CodeSize::Bits64 ? 0 : state_.segment_base(segment);
        return base + low_bytes(state_.gpr(index) - back, block.count_bytes);
    };
    const auto in_last_block = [&](uint64_t at) {
        return at + width > last_pc_ && at < last_pc_ + last_block_->size;
    };
    if (!in_last_block(place(x86::SegmentRegister::ES, x86::Gpr::RDI, 0))) return false;
    const uint64_t before = place(x86::SegmentRegister::ES, x86::Gpr::RDI, step);
    if (in_last_block(before)) return true;
    const uint64_t source = place(x86::SegmentRegister::DS, x86::Gpr::RSI, step);
    const uint64_t stored = block.repeat_moves ? peek(source, width) : state_.gpr(x86::Gpr::RAX);
    return low_bytes(stored ^ peek(before, width), block.repeat_width) != 0;
}

// Guest memory, without a trace in its page tables; ones where there is none.
uint64_t Engine::peek(uint64_t linear, uint64_t width) const {
    uint64_t value = 0;
    for (uint64_t i = 0; i < width; ++i) {
        Translation page;
        const bool missing =
            mmu_->probe(Gva(linear + i), Access::implicit_supervisor(AccessType::Read), page) || !page.backed;
        const uint64_t byte = missing ? 0xff : *memory_->map(page.hpa);
        value |= byte << 8 * i;
    }
    return value;
}

}  // namespace vtless::sim
