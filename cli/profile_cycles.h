// SPDX-License-Identifier: MIT
// --profile-cycles and --symbols.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "lab/guest_symbols.h"
#include "sim/engine/engine.h"
#include "vmm/error.h"

namespace vtless::cli {

struct ProfileCyclesOptions {
    std::vector<std::string> outputs;  // FORMAT or FORMAT=FILE
    std::vector<std::string> symbols;  // FILE or FILE@BASE

    void add_to(CLI::App& app);
    bool given() const { return !outputs.empty() || !symbols.empty(); }
    // The processor is to be made from this.
    vmm::Result<void> attach(sim::EngineConfig& engine);
    // After the run: writes what was asked for.
    vmm::Result<void> finish() const;

  private:
    std::unique_ptr<sim::CycleProfile> profile_;
    lab::GuestSymbols names_;
};

}  // namespace vtless::cli
