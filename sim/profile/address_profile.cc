// SPDX-License-Identifier: MIT
#include "sim/profile/address_profile.h"

#include <algorithm>
#include <tuple>

#include "sim/engine/code_map.h"

namespace vtless::sim {

AddressProfile::AddressProfile() : slots_(std::make_unique<Slot[]>(kSlots)) {}

AddressProfile::~AddressProfile() = default;

// What was taken back of an instruction is never more than what was charged for it.
void AddressProfile::bank(const Stretch& stretch, Bank& bank) {
    for (size_t i = 0; i < stretch.offsets.size(); ++i) {
        const uint64_t times = stretch.whole - stretch.taken_back[i];
        if (times != 0)
            bank[{stretch.place.space, stretch.place.linear + stretch.offsets[i]}] +=
                times * stretch.costs[i];
    }
}

void AddressProfile::describe(Stretch& stretch, const CodeBlock& block, const CodePlace& at) {
    stretch.place = at;
    stretch.offsets = block.offsets;
    stretch.costs = block.costs;
    stretch.whole = 0;
    stretch.taken_back.assign(block.count(), 0);
}

void AddressProfile::find(Slot& slot, const CodeBlock& block, const CodePlace& at) {
    Stretch& stretch = stretches_[block.size][at];
    if (stretch.offsets != block.offsets || stretch.costs != block.costs) {
        bank(stretch, banked_);
        describe(stretch, block, at);
    }
    slot = {at, &block, epoch_, &stretch};
}

void AddressProfile::charge_once(const CodeBlock& block, const CodePlace& at) {
    bank(once_, banked_);
    describe(once_, block, at);
    once_.whole = 1;
    last_ = &once_;
}

void AddressProfile::take_back(uint64_t instructions) {
    if (last_ == nullptr) return;
    std::vector<uint64_t>& counts = last_->taken_back;
    const size_t some = std::min<size_t>(instructions, counts.size());
    for (auto count = counts.end() - static_cast<ptrdiff_t>(some); count != counts.end(); ++count) ++*count;
}

std::vector<InstructionTime> AddressProfile::instructions() const {
    Bank all = banked_;
    bank(once_, all);
    for (const auto& [size, stretches] : stretches_)
        for (const auto& [place, stretch] : stretches) bank(stretch, all);
    std::vector<InstructionTime> sorted;
    for (const auto& [place, ticks] : all)
        if (ticks != 0) sorted.push_back({place, ticks});
    std::ranges::sort(sorted, {}, [](const InstructionTime& time) {
        return std::tuple(time.place.space, time.place.linear);
    });
    return sorted;
}

}  // namespace vtless::sim
