// SPDX-License-Identifier: MIT
// What a straight-line run of instructions takes: the larger of what its micro-ops need of ports and issue
// width, and what its results need to go round once more if it runs again and again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/time/cost_table.h"

namespace vtless::sim {

// RSP from one PUSH, POP or CALL to the next. AsModelled: LLVM's models let it wait for the whole
// instruction, a load with POP. Renamed: it takes no time, as in processors since the Pentium M, which have a
// stack engine.
enum class StackPointer : uint8_t { AsModelled, Renamed };

class StraightLine {
  public:
    // fallback_cycles: of an instruction that the table has no cost for. Nothing overlaps with it.
    StraightLine(const CostTable& table, uint32_t fallback_cycles,
                 StackPointer stack = StackPointer::AsModelled);

    void restart();
    // How much longer the run takes with one instruction more, in 1/kTicksPerCycle cycle: a function of it
    // and those before it, never of what follows. bits: 16, 32 or 64, of the code segment.
    uint32_t append(std::span<const std::byte> instruction, unsigned bits);
    // An instruction of known cost, that nothing overlaps with.
    uint32_t append_alone(uint32_t cycles);

    // Of the last instruction.
    CostSource source() const { return source_; }
    // Of the run, in 1/kTicksPerCycle cycle.
    uint32_t ticks() const { return alone_ + overlapped_; }
    // Its bounds, without what runs alone.
    uint32_t throughput_ticks() const;
    uint32_t dependency_ticks() const { return dependency_; }

  private:
    // 16 general registers, the flags, 16 XMM and 8 MMX registers.
    static constexpr unsigned kFlagsNode = 16;
    static constexpr unsigned kFirstXmm = 17;
    static constexpr unsigned kFirstMmx = 33;
    static constexpr unsigned kNodes = 48;  // rounded up
    static constexpr int32_t kNoPath = -(1 << 28);
    // The longest path, in cycles, from each register at the run's start.
    using Paths = std::array<int32_t, kNodes>;

    void add_loads(const InstructionCost& cost);
    void add_dependencies(const InstructionForm& form, const InstructionCost& cost);
    void read(Paths& result, unsigned node, int32_t latency) const;
    void write(uint64_t nodes, const Paths& result);
    void find_cycles(uint64_t nodes);

    const CostTable* table_;
    uint32_t fallback_cycles_;
    StackPointer stack_;
    CostSource source_ = CostSource::Table;
    uint32_t alone_ = 0;
    uint32_t overlapped_ = 0;
    uint32_t dependency_ = 0;
    uint32_t micro_ops_ = 0;
    uint32_t most_loaded_ = 0;
    std::array<uint32_t, CostTable::kMostBottlenecks> loads_{};  // in 1/CostTable::kLoadUnit cycle
    uint64_t written_ = 0;  // registers, by node; others hold what they held at the start
    std::array<Paths, kNodes> paths_;
};

}  // namespace vtless::sim
