// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/profile_cycles.h"
#include "cli/sanitize.h"
#include "cli/timing_option.h"
#include "vmm/cpu_profile.h"
#include "vmm/loaders/image_file.h"
#include "vmm/root_machine.h"

namespace vtless::cli {

namespace {

// As typed; everything is checked and converted in one place below.
struct MachineOptions {
    std::string image;
    std::string memory = "16M";
    std::string max_cycles;
    std::string debug_console = "-";
    std::string cpu = "default";
    TimingOptions timing;
    SanitizeOptions sanitize;
    ProfileCyclesOptions profile_cycles;
};

vmm::Result<vmm::RootMachineConfig> configure(MachineOptions& options) {
    vmm::RootMachineConfig config;
    config.image = options.image;
    config.debug_console = options.debug_console;
    const auto memory = vmm::parse_size(options.memory);
    if (!memory) return vmm::fail("--memory: {}", memory.error().message);
    config.memory = *memory;
    if (!options.max_cycles.empty()) {
        const auto cycles = vmm::parse_number(options.max_cycles);
        if (!cycles) return vmm::fail("--max-cycles: {}", cycles.error().message);
        config.max_cycles = *cycles;
    }
    auto cpu = vmm::load_cpu_profile(options.cpu);
    if (!cpu) return vmm::fail("--cpu: {}", cpu.error().message);
    config.processor.capabilities = cpu->advertised;
    if (auto done = take_timing(options.timing, config.processor.engine); !done)
        return Unexpected(done.error());
    if (auto done = options.sanitize.attach(config.processor); !done) return Unexpected(done.error());
    if (auto done = options.profile_cycles.attach(config.processor.engine); !done)
        return Unexpected(done.error());
    return config;
}

int status_of(const vmm::RootMachineResult& result) {
    if (result.failed) return kGuestFailed;
    const bool debug_exit = result.request && result.request->kind == vmm::PowerRequest::Kind::DebugExit;
    return debug_exit ? (result.request->value << 1 | 1) & 0xff : kEndedAsAsked;
}

int run(MachineOptions& options) {
    const auto config = configure(options);
    const auto result = config ? vmm::run_root_machine(*config) : Unexpected(config.error());
    if (!result) {
        fmt::print(stderr, "vtless: {}\n", result.error().message);
        return kBadInput;
    }
    fmt::print(stderr, "vtless: {}; {} VM entries, {} cycles\n{}", result->text, result->entries,
               result->cycles, result->state);
    if (const auto written = options.profile_cycles.finish(); !written) {
        fmt::print(stderr, "vtless: {}\n", written.error().message);
        return kBadInput;
    }
    return options.sanitize.finish(status_of(*result));
}

constexpr const char* kFooter = R"(
IMAGE is a ROM, like PC firmware: its last byte is at 4 GiB and at 1 MiB (the last 128 KiB appear there), and the
processor starts at its last 16 bytes, in real mode. Bochs takes the same file as its romimage. The code sets up
long mode itself, executes VMXON, and enters its guests.

Ports: 0xe9 and 0x402 print, a byte v to 0xf4 ends with status (v<<1)|1, the characters of "Shutdown" to 0x8900 and
a reset by 0xcf9 end with status 0, and so does HLT where nothing can end it. Other ports read ones.
There is no interrupt controller and no timer but the VMX-preemption timer; physical addresses without RAM or ROM, and
instructions that are not implemented in root operation, end the run with the processor's state and status 3.
)";

}  // namespace

Command add_machine_command(CLI::App& app) {
    auto options = std::make_shared<MachineOptions>();
    app.add_option("image", options->image, "ROM image, a multiple of 4 KiB from 16 KiB to 16 MiB")
        ->required()
        ->type_name("IMAGE");
    app.add_option("--memory", options->memory, "RAM, like 64M, at most 3G")
        ->type_name("SIZE")
        ->capture_default_str();
    add_timing_options(app, options->timing);
    app.add_option("--cpu", options->cpu,
                   "The processor: a name that `vtless cpus` lists, or a profile's path")
        ->type_name("NAME|FILE")
        ->capture_default_str();
    app.add_option("--max-cycles", options->max_cycles, "Stop after N simulated cycles")->type_name("N");
    app.add_option("--debugcon", options->debug_console, "Where ports 0xe9 and 0x402 go")
        ->type_name("FILE|-")
        ->capture_default_str();
    options->sanitize.add_to(app);
    options->profile_cycles.add_to(app);
    app.footer(kFooter);
    return [options] { return run(*options); };
}

}  // namespace vtless::cli
