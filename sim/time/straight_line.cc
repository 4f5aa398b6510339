// SPDX-License-Identifier: MIT
#include "sim/time/straight_line.h"

#include <algorithm>
#include <bit>

namespace vtless::sim {
namespace {

constexpr unsigned kRsp = 4;

uint64_t bit(unsigned node) { return uint64_t{1} << node; }

}  // namespace

StraightLine::StraightLine(const CostTable& table, uint32_t fallback_cycles, StackPointer stack)
    : table_(&table), fallback_cycles_(fallback_cycles), stack_(stack) {}

void StraightLine::restart() {
    alone_ = 0;
    overlapped_ = 0;
    dependency_ = 0;
    micro_ops_ = 0;
    most_loaded_ = 0;
    loads_.fill(0);
    written_ = 0;
}

uint32_t StraightLine::append(std::span<const std::byte> instruction, unsigned bits) {
    const InstructionForm form = instruction_form(instruction, bits);
    const InstructionCost cost = table_->cost(form);
    if (cost.source != CostSource::Table) {
        const uint32_t ticks = append_alone(fallback_cycles_);
        source_ = cost.source;
        return ticks;
    }
    source_ = CostSource::Table;
    add_loads(cost);
    add_dependencies(form, cost);
    const uint32_t before = overlapped_;
    overlapped_ = std::max({before, throughput_ticks(), dependency_});
    return overlapped_ - before;
}

uint32_t StraightLine::append_alone(uint32_t cycles) {
    source_ = CostSource::Table;
    alone_ += cycles * kTicksPerCycle;
    return cycles * kTicksPerCycle;
}

void StraightLine::add_loads(const InstructionCost& cost) {
    micro_ops_ += cost.numbers->micro_ops;
    for (size_t i = 0; i < table_->bottlenecks(); ++i) {
        loads_[i] += cost.loads[i];
        most_loaded_ = std::max(most_loaded_, loads_[i]);
    }
}

uint32_t StraightLine::throughput_ticks() const {
    const uint64_t ports =
        (uint64_t{most_loaded_} * kTicksPerCycle + CostTable::kLoadUnit - 1) / CostTable::kLoadUnit;
    const uint64_t issue = (uint64_t{micro_ops_} * kTicksPerCycle + table_->width() - 1) / table_->width();
    return static_cast<uint32_t>(std::max(ports, issue));
}

void StraightLine::read(Paths& result, unsigned node, int32_t latency) const {
    if ((written_ & bit(node)) == 0) {
        result[node] = std::max(result[node], latency);
        return;
    }
    // result is no element of paths_: the compiler makes vectors of this.
    int32_t* __restrict longest = result.data();
    const int32_t* __restrict paths = paths_[node].data();
    for (unsigned i = 0; i < kNodes; ++i) longest[i] = std::max(longest[i], paths[i] + latency);
}

void StraightLine::write(uint64_t nodes, const Paths& result) {
    written_ |= nodes;
    for (; nodes != 0; nodes &= nodes - 1) paths_[static_cast<unsigned>(std::countr_zero(nodes))] = result;
}

void StraightLine::add_dependencies(const InstructionForm& form, const InstructionCost& cost) {
    const FormOperands& operands = *cost.operands;
    const auto latency = static_cast<int32_t>(cost.numbers->latency);
    const auto late = static_cast<int32_t>(cost.numbers->late_latency);
    const bool breaks = form.operand == FormOperand::Same && (operands.other & kBreaksDependency) != 0;
    Paths result;
    result.fill(kNoPath);
    uint64_t written = 0;
    uint64_t merged = 0;
    const auto field = [&](uint8_t use, uint8_t number) {
        if ((use & kUseMask) == 0) return;
        const unsigned kind = use & kClassMask;
        unsigned node = number;
        if (kind == kByte && !form.rex && number < 8) node = number & 3;
        if (kind == kXmm) node = kFirstXmm + number;
        if (kind == kMmx) node = kFirstMmx + (number & 7);
        if ((use & kRead) != 0 && !breaks) read(result, node, late);
        if ((use & kWritten) != 0) written |= bit(node);
        if ((use & kMerged) != 0) merged |= bit(node);
    };
    field(operands.reg, form.reg);
    if (form.operand != FormOperand::Memory) field(operands.rm, form.rm);
    field(operands.vvvv, form.vvvv);
    field(operands.low, form.low);
    if (form.base != InstructionForm::kNoRegister) read(result, form.base, latency);
    if (form.index != InstructionForm::kNoRegister) read(result, form.index, latency);
    for (unsigned left = operands.reads; left != 0; left &= left - 1)
        read(result, static_cast<unsigned>(std::countr_zero(left)), latency);
    if ((operands.other & kFlagsRead) != 0) read(result, kFlagsNode, late);
    if ((operands.other & kFlagsWritten) != 0) written |= bit(kFlagsNode);
    written |= operands.writes;
    if ((operands.other & kImpliedMerged) != 0) merged |= operands.writes;

    if ((operands.other & kStack) != 0 && stack_ == StackPointer::Renamed) written &= ~bit(kRsp);
    for (uint64_t left = merged; left != 0; left &= left - 1) {
        // The rest of the register is kept: the result is no earlier than what it was, though it waits for
        // nothing.
        const auto node = static_cast<unsigned>(std::countr_zero(left));
        Paths both = result;
        read(both, node, 1);
        write(bit(node), both);
    }
    write(written & ~merged, result);
    find_cycles(written);
}

// What a register needs to come round to itself, at once or by way of one other.
void StraightLine::find_cycles(uint64_t nodes) {
    for (uint64_t left = nodes; left != 0; left &= left - 1) {
        const auto node = static_cast<unsigned>(std::countr_zero(left));
        int32_t twice = 2 * paths_[node][node];
        for (uint64_t others = written_; others != 0; others &= others - 1) {
            const auto other = static_cast<unsigned>(std::countr_zero(others));
            twice = std::max(twice, paths_[node][other] + paths_[other][node]);
        }
        if (twice > 0) dependency_ = std::max(dependency_, static_cast<uint32_t>(twice) * kTicksPerCycle / 2);
    }
}

}  // namespace vtless::sim
