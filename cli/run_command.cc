// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/complain.h"
#include "cli/profile_cycles.h"
#include "cli/sanitize.h"
#include "cli/timing_option.h"
#include "vmm/cpu_profile.h"
#include "vmm/guest_run.h"
#include "vmm/loaders/image_file.h"
#include "vmm/statistics.h"

namespace vtless::cli {

namespace {

// As typed; everything is checked and converted in one place below.
struct RunOptions {
    std::string bios;
    std::string flat;
    std::string load;
    std::string entry;
    std::string kernel;
    std::string initrd;
    std::string append;
    std::string memory = "128M";
    std::string max_exits;
    std::string max_cycles;
    std::string tsc_khz;
    std::string until;
    std::string stats;
    std::string debug_console = "-";
    std::string serial = "-";
    std::string trace;
    std::string dump_vmcs;
    std::string cpu = "default";
    TimingOptions timing;
    std::string flush_seed;
    std::string backend = "sim";
    std::string apic = "none";
    ProfileCyclesOptions profile_cycles;
    SanitizeOptions sanitize;
};

// Sets target from text unless that is empty.
vmm::Result<void> take_number(const char* option, const std::string& text, uint64_t& target) {
    if (text.empty()) return {};
    const auto value = vmm::parse_number(text);
    if (!value) return vmm::fail("{}: {}", option, value.error().message);
    target = *value;
    return {};
}

vmm::Result<void> choose_guest(const RunOptions& options, vmm::GuestRunConfig& config) {
    const int guests = !options.bios.empty() + !options.flat.empty() + !options.kernel.empty();
    if (guests != 1) {
        return vmm::fail("name one guest: --bios FILE, --flat FILE or --kernel FILE ({} given)", guests);
    }
    if (options.kernel.empty() && !(options.initrd.empty() && options.append.empty())) {
        return vmm::fail("--initrd and --append belong to --kernel");
    }
    if (options.flat.empty() && !(options.load.empty() && options.entry.empty())) {
        return vmm::fail("--load and --entry belong to --flat");
    }
    if (!options.bios.empty()) config.guest = vmm::FirmwareGuest{options.bios};
    if (!options.kernel.empty()) {
        config.guest = vmm::LinuxGuest{options.kernel, options.initrd, options.append};
    }
    if (options.flat.empty()) return {};
    if (options.load.empty() || options.entry.empty()) {
        return vmm::fail("--flat needs --load GPA and --entry GPA: where its bytes go and where it starts");
    }
    uint64_t load = 0;
    uint64_t entry = 0;
    if (auto done = take_number("--load", options.load, load); !done) return done;
    if (auto done = take_number("--entry", options.entry, entry); !done) return done;
    config.guest = vmm::FlatGuest{options.flat, Gpa(load), Gpa(entry)};
    return {};
}

vmm::Result<void> take_tsc_rate(const RunOptions& options, vmm::GuestRunConfig& config) {
    constexpr uint64_t kSlowest = 1'000;
    constexpr uint64_t kFastest = 100'000'000;
    if (options.tsc_khz.empty()) return {};
    if (config.backend == vmm::BackendKind::Kvm)
        return vmm::fail("not on --backend kvm: --tsc-khz: the time-stamp counter is the host's");
    uint64_t khz = 0;
    if (auto done = take_number("--tsc-khz", options.tsc_khz, khz); !done) return done;
    if (khz < kSlowest || khz > kFastest)
        return vmm::fail("--tsc-khz: {} is not between {} and {}", khz, kSlowest, kFastest);
    config.tsc_hz = khz * 1'000;
    return {};
}

vmm::Result<vmm::GuestRunConfig> configure(RunOptions& options) {
    vmm::GuestRunConfig config;
    if (auto done = choose_guest(options, config); !done) return Unexpected(done.error());
    const auto memory = vmm::parse_size(options.memory);
    if (!memory) return vmm::fail("--memory: {}", memory.error().message);
    config.memory = *memory;
    if (auto done = take_number("--max-exits", options.max_exits, config.limits.max_exits); !done) {
        return Unexpected(done.error());
    }
    if (auto done = take_number("--max-cycles", options.max_cycles, config.limits.max_cycles); !done) {
        return Unexpected(done.error());
    }
    if (options.apic == "kernel") {
        config.local_apic = vmm::LocalApicKind::Kernel;
        if (options.backend != "kvm")
            return vmm::fail(
                "not on --backend {}: --apic kernel: the local APIC is the one that Linux KVM has",
                options.backend);
    }
    if (options.backend == "kvm") {
        config.backend = vmm::BackendKind::Kvm;
        if (options.cpu != "default")
            return vmm::fail("not on --backend kvm: --cpu: the processor is the one that KVM has");
        if (options.timing != TimingOptions())
            return vmm::fail(
                "not on --backend kvm: --profile, --fidelity: its time is the host's, not simulated");
        if (options.profile_cycles.given())
            return vmm::fail("not on --backend kvm: --profile-cycles: its time is the host's, not simulated");
    }
    auto cpu = vmm::load_cpu_profile(options.cpu);
    if (!cpu) return vmm::fail("--cpu: {}", cpu.error().message);
    config.processor.capabilities = cpu->advertised;
    if (auto done = take_timing(options.timing, config.processor.engine); !done)
        return Unexpected(done.error());
    if (auto done = take_tsc_rate(options, config); !done) return Unexpected(done.error());
    uint64_t& seed = config.processor.engine.flush_seed;
    if (auto done = take_number("--flush-seed", options.flush_seed, seed); !done)
        return Unexpected(done.error());
    if (auto done = options.sanitize.attach(config.processor); !done) return Unexpected(done.error());
    if (auto done = options.profile_cycles.attach(config.processor.engine); !done)
        return Unexpected(done.error());
    config.until = options.until;
    config.debug_console = options.debug_console;
    config.serial = options.serial;
    config.trace = options.trace;
    config.dump_vmcs = options.dump_vmcs;
    return config;
}

int status_of(const vmm::GuestRunResult& result, const RunOptions& options) {
    using Kind = vmm::Outcome::Kind;
    if (result.outcome.kind == Kind::DebugExit) return (result.outcome.request.value << 1 | 1) & 0xff;
    if (result.outcome.guest_failed()) return kGuestFailed;
    // Ended well, but not in the way that was asked for.
    const bool text_missing = !options.until.empty() && result.outcome.kind != Kind::TextSeen;
    return text_missing ? kGuestFailed : kEndedAsAsked;
}

std::string describe_end(const vmm::GuestRunResult& result, const RunOptions& options) {
    std::string text = vmm::describe(result.outcome);
    if (!options.until.empty() && result.outcome.kind != vmm::Outcome::Kind::TextSeen) {
        text += fmt::format("; it never printed \"{}\"", options.until);
    }
    return text;
}

void report(const vmm::GuestRunResult& result, const RunOptions& options, int status) {
    const vmm::RunEnd end{describe_end(result, options), status, options.sanitize.sanitizer.get()};
    if (options.stats == "text") fmt::print("\n{}", vmm::text_report(result.statistics, end));
    if (options.stats == "json") {
        // The guest's last line may be open.
        const bool shared = options.debug_console == "-" || options.serial == "-";
        fmt::print("{}{}", shared ? "\n" : "", vmm::json_report(result.statistics, end));
    }
    if (options.stats.empty() || status == kGuestFailed) {
        const vmm::RunStatistics& statistics = result.statistics;
        fmt::print(stderr, "vtless: {}; {} exits{}\n", end.text, statistics.total_exits(),
                   statistics.simulated ? fmt::format(", {} cycles", statistics.cycles) : "");
    }
    if (result.outcome.guest_failed()) fmt::print(stderr, "{}", result.state);
}

int run(RunOptions& options) {
    const auto config = configure(options);
    if (!config) return complain(config.error().message);
    const auto result = vmm::run_guest(*config);
    if (!result) return complain(result.error().message);
    const int status = options.sanitize.finish(status_of(*result, options));
    report(*result, options, status);
    if (auto written = options.profile_cycles.finish(); !written) return complain(written.error().message);
    return status;
}

constexpr const char* kFooter = R"(
Firmware (--bios) ends by itself: told to wait no time when there is nothing to boot, it resets the machine,
and a reset ends the run with status 0. So do powering off, HLT with interrupts off, and --until.

Time in the guest is simulated cycles, 1000 a microsecond unless --tsc-khz says otherwise: the same in every run, however busy the host is.
On --backend kvm it is the host's time, no two runs are the same, and reports have no cycles and digests.
)";

}  // namespace

Command add_run_command(CLI::App& app) {
    auto options = std::make_shared<RunOptions>();
    app.add_option("--bios", options->bios, "PC firmware image, started at the reset vector")
        ->type_name("FILE");
    app.add_option("--flat", options->flat, "Flat binary, started in real mode")->type_name("FILE");
    app.add_option("--load", options->load, "Address of the flat binary")->type_name("GPA");
    app.add_option("--entry", options->entry, "Where it starts, below 1 MiB")->type_name("GPA");
    app.add_option("--kernel", options->kernel, "Linux bzImage, 64-bit boot protocol")->type_name("FILE");
    app.add_option("--initrd", options->initrd, "Its initial RAM disk")->type_name("FILE");
    app.add_option("--append", options->append, "Its command line")->type_name("ARGS");
    app.add_option("--memory", options->memory, "Guest memory, like 512M or 2G")
        ->type_name("SIZE")
        ->capture_default_str();
    add_timing_options(app, options->timing);
    app.add_option("--cpu", options->cpu,
                   "The processor: a name that `vtless cpus` lists, or a profile's path")
        ->type_name("NAME|FILE")
        ->capture_default_str();
    app.add_option("--backend", options->backend,
                   "What executes the guest: sim, the simulated processor; kvm, Linux KVM")
        ->check(CLI::IsMember({"sim", "kvm"}))
        ->capture_default_str();
    app.add_option("--apic", options->apic,
                   "The guest's local APIC: none; kernel, on --backend kvm, the one that the kernel has")
        ->check(CLI::IsMember({"none", "kernel"}))
        ->capture_default_str();
    app.add_option("--max-exits", options->max_exits, "Stop after N exits")->type_name("N");
    app.add_option("--max-cycles", options->max_cycles, "Stop after N simulated cycles")->type_name("N");
    app.add_option(
           "--tsc-khz", options->tsc_khz,
           "The rate of the time-stamp counter: cycles in a millisecond of the devices' time; 1000000")
        ->type_name("N");
    app.add_option(
           "--until", options->until,
           "Stop when the debug console or the serial port has printed TEXT; status 3 if the run ends "
           "without it")
        ->type_name("TEXT");
    app.add_option("--stats", options->stats, "Count and time every exit: a table, or one line of JSON, last")
        ->check(CLI::IsMember({"text", "json"}));
    app.add_option("--debugcon", options->debug_console, "Where the debug console (port 0x402) goes")
        ->type_name("FILE|-")
        ->capture_default_str();
    app.add_option("--serial", options->serial, "Where the serial port (0x3f8) goes")
        ->type_name("FILE|-")
        ->capture_default_str();
    app.add_option("--dump-vmcs", options->dump_vmcs, "Write the VMCS at the end as JSON, for `vtless vmcs`")
        ->type_name("FILE");
    app.add_option("--trace", options->trace, "Write a line for each exit")->type_name("FILE");
    app.add_option("--flush-seed", options->flush_seed,
                   "For tests: flush the engine's own TLB at pseudo-random moments; no digest may change")
        ->type_name("N");
    options->sanitize.add_to(app);
    options->profile_cycles.add_to(app);
    app.footer(kFooter);
    return [options] { return run(*options); };
}

}  // namespace vtless::cli
