// SPDX-License-Identifier: MIT
// The sanitizer for commands that run guests.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "sim/sanitizer/sanitizer.h"
#include "sim/vmx/vmx_processor.h"
#include "vmm/error.h"

namespace vtless::cli {

struct SanitizeOptions {
    bool on = false;
    std::vector<std::string> ignored;
    std::unique_ptr<sim::Sanitizer> sanitizer;  // if it is on, after attach

    void add_to(CLI::App& app);
    // The processor is to be made from this.
    vmm::Result<void> attach(sim::VmxProcessorConfig& processor);
    // Prints the findings. The status that the command ends with, if it was to end with this one.
    int finish(int status) const;
};

}  // namespace vtless::cli
