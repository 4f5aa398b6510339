// SPDX-License-Identifier: MIT
// What a profile is told. Without one nothing here is called but wait(): its block hook takes the place of
// the usual one.
#include "sim/engine/engine.h"

namespace vtless::sim {

void Engine::start_profile() {
    const TransitionCosts& costs = config_.transitions;
    config_.profile->start({uint64_t{costs.walk_reference} * kTicksPerCycle,
                            uint64_t{config_.costs.carried_out} * kTicksPerCycle,
                            uint64_t{costs.vm_exit} * kTicksPerCycle,
                            uint64_t{costs.event_delivery} * kTicksPerCycle});
}

CodePlace Engine::place(uint64_t linear) const {
    constexpr uint64_t kFlags = 0xfff;  // or the PCID; 32-byte aligned tables of PAE paging share a page
    if (mmu_->paging_mode() == x86::PagingMode::NONE) return {CodePlace::kNoPaging, linear};
    return {mmu_->paging().cr3 & ~kFlags, linear};
}

const Stop& Engine::run_profiled(Extent extent) {
    CycleProfile* profile = config_.profile;
    if (profile == nullptr) return run(extent);
    profile->begin_run(moment());
    const Stop& stop = run(extent);
    profile->end_run(moment(), place(linear_rip()));
    return stop;
}

// What was charged last has run, but for what has been refunded since.
void Engine::on_profiled_block(uint64_t pc, uint32_t size) {
    CycleProfile& profile = *config_.profile;
    if (!profile.in_guest()) return on_block(pc, size);
    profile.counted(instructions_);
    on_block(pc, size);
    if (profile.has_counted(instructions_)) return;
    if (run_.priced(*last_block_)) return profile.charge_once(*last_block_, place(last_pc_), instructions_);
    profile.charge(*last_block_, place(last_pc_), instructions_);
}

// An instruction is about to be counted that no block is.
void Engine::charge(const Price& price) {
    if (config_.profile == nullptr || !config_.profile->in_guest()) return;
    config_.profile->counted(instructions_);
    config_.profile->charge_instruction(place(price.linear), price.ticks, instructions_ + 1);
}

void Engine::wait(uint64_t cycles) {
    add_cycles(cycles);
    if (config_.profile != nullptr) config_.profile->wait(cycles * kTicksPerCycle);
}

}  // namespace vtless::sim
