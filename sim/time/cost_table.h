// SPDX-License-Identifier: MIT
// What instructions cost on a microarchitecture: LLVM's scheduling models by instruction form.
// docs/timing.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sim/time/cost_table_data.h"
#include "sim/time/instruction_form.h"
#include "sim/time/ticks.h"

namespace vtless::sim {

// Where the cost of an instruction is from.
enum class CostSource : uint8_t {
    Table,
    Unmodelled,  // LLVM has only a placeholder: microcode and system instructions
    Unknown,     // no form of the tables, or none that the model has
};

struct InstructionCost {
    const FormOperands* operands = nullptr;
    const CostClass* numbers = nullptr;
    const uint32_t* loads = nullptr;  // on each bottleneck, in CostTable::kLoadUnit-ths of a cycle
    CostSource source = CostSource::Unknown;
};

class CostTable {
  public:
    static constexpr size_t kMostBottlenecks = 32;
    static constexpr uint32_t kLoadUnit = 840;  // a multiple of 1 to 8, the sizes of sets of ports

    // The table of a model, for as long as the program runs; nullptr if there is none of that name.
    static const CostTable* find(std::string_view model);
    // By age.
    static std::span<const std::string_view> names();

    InstructionCost cost(const InstructionForm& form) const;
    uint32_t width() const { return data_->width; }
    std::string_view name() const { return name_; }
    // Sets of ports that have a load.
    size_t bottlenecks() const { return data_->bottlenecks.size(); }

    CostTable(std::string_view name, const ModelData& data);

  private:
    using Loads = std::array<uint32_t, kMostBottlenecks>;
    Loads loads_of(const CostClass& cost) const;

    std::string_view name_;
    const ModelData* data_;
    std::vector<Loads> loads_;  // by class
};

}  // namespace vtless::sim
