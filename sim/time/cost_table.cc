// SPDX-License-Identifier: MIT
#include "sim/time/cost_table.h"

#include <algorithm>
#include <bit>

#include "isa/check.h"

namespace vtless::sim {
namespace {

constexpr std::string_view kNames[] = {"sandybridge", "haswell", "broadwell", "skylake", "skylake-avx512"};
constexpr size_t kNoForm = ~size_t{0};
constexpr size_t kUnmodelledClass = 1;

// Open addressing over the keys: a kernel boot looks up a million.
class FormIndex {
  public:
    FormIndex() {
        slots_.fill(kEmpty);
        VTLESS_CHECK(kInstructionForms.forms.size() < kSlots / 2);
        for (size_t i = 0; i < kInstructionForms.forms.size(); ++i) {
            size_t slot = first_slot(kInstructionForms.forms[i].key);
            while (slots_[slot] != kEmpty) slot = (slot + 1) % kSlots;
            slots_[slot] = static_cast<uint16_t>(i);
        }
    }
    size_t find(uint32_t key) const {
        for (size_t slot = first_slot(key); slots_[slot] != kEmpty; slot = (slot + 1) % kSlots)
            if (kInstructionForms.forms[slots_[slot]].key == key) return slots_[slot];
        return kNoForm;
    }

  private:
    static constexpr size_t kSlots = 8192;
    static constexpr uint16_t kEmpty = 0xffff;
    static size_t first_slot(uint32_t key) { return (key * 0x9e3779b1u) >> 19; }
    std::array<uint16_t, kSlots> slots_;
};

// What the generator left out is as its simpler form is: the same register twice as any two, REX.W as
// without, a prefix as without.
size_t find_form(InstructionForm form) {
    static const FormIndex index;
    while (true) {
        const size_t found = index.find(form.key());
        if (found != kNoForm) return found;
        if (form.operand == FormOperand::Same) {
            form.operand = FormOperand::Register;
        } else if (form.wide) {
            form.wide = false;
        } else if (form.prefix != 0) {
            form.prefix = 0;
        } else {
            return kNoForm;
        }
    }
}

}  // namespace

CostTable::CostTable(std::string_view name, const ModelData& data) : name_(name), data_(&data) {
    VTLESS_CHECK(data.bottlenecks.size() <= kMostBottlenecks);
    VTLESS_CHECK(data.class_of.size() == kInstructionForms.forms.size());
    for (const CostClass& each : data.classes) loads_.push_back(loads_of(each));
}

const CostTable* CostTable::find(std::string_view model) {
    static const CostTable tables[] = {{kNames[0], kSandyBridgeCosts},
                                       {kNames[1], kHaswellCosts},
                                       {kNames[2], kBroadwellCosts},
                                       {kNames[3], kSkylakeCosts},
                                       {kNames[4], kSkylakeServerCosts}};
    const auto* found =
        std::ranges::find_if(tables, [&](const CostTable& each) { return each.name() == model; });
    return found == std::end(tables) ? nullptr : found;
}

std::span<const std::string_view> CostTable::names() { return kNames; }

// Micro-ops that only ports of a set can take keep it busy for their number by its size.
CostTable::Loads CostTable::loads_of(const CostClass& cost) const {
    Loads loads{};
    for (const PortUse& use : data_->uses.subspan(cost.first_use, cost.uses)) {
        const unsigned group = data_->groups[use.group];
        for (size_t i = 0; i < data_->bottlenecks.size(); ++i) {
            const unsigned ports = data_->bottlenecks[i];
            if ((group & ~ports) == 0)
                loads[i] += use.cycles * (kLoadUnit / static_cast<uint32_t>(std::popcount(ports)));
        }
    }
    return loads;
}

InstructionCost CostTable::cost(const InstructionForm& form) const {
    if (form.map == FormMap::None) return {};
    const size_t found = find_form(form);
    if (found == kNoForm) return {};
    const size_t number = data_->class_of[found];
    InstructionCost result;
    result.operands = &kInstructionForms.operands[kInstructionForms.forms[found].operands];
    if (number <= kUnmodelledClass) {
        result.source = number == kUnmodelledClass ? CostSource::Unmodelled : CostSource::Unknown;
        return result;
    }
    result.numbers = &data_->classes[number];
    result.loads = loads_[number].data();
    result.source = CostSource::Table;
    return result;
}

}  // namespace vtless::sim
