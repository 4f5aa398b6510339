// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace {

constexpr const char* kFooter = R"(
Examples:
  vtless run --bios /usr/share/seabios/bios-256k.bin --stats text
      boot PC firmware from the reset vector and show its VM exits
  vtless run --kernel vmlinuz --initrd initrd.cpio --append "console=ttyS0" --memory 512M
      boot Linux through the 64-bit boot protocol; its console is on standard output
  vtless run --flat guest.bin --load 0x8000 --entry 0x8000 --max-exits 1000
      run a small real-mode program
  vtless machine hypervisor.rom --cpu haswell
      boot a hypervisor of your own from the reset vector; its VMX instructions run on the simulated processor
  vtless run --bios bios.bin --trace a.txt && vtless trace diff a.txt b.txt
      record every exit; find the first one in which two runs differ
  vtless vmcs explain dmesg.txt
      name every check of VM entry that the VMCS in a KVM log violates
  vtless run --kernel vmlinuz --sanitize
      report what the hypervisor does that silicon would tolerate, or punish later
  vtless campaign matrix.toml --jobs 8
      run images on processors, timing profiles and seeds, many at a time; again to resume
  vtless doctor
      say what this machine's backends can do; with --cpu, what the engine removes from a processor

Exit status:
  0         the guest ended as asked (or a limit was reached)
  (v<<1)|1  the guest wrote the byte v to the debug exit port 0xf4
  1         vtless trace diff, vmcs diff and bench compare: the two differ; vmcs explain: a check is violated;
            campaign: runs that differ in the flush seed only have other digests
  2         the command line or an input file is not usable; the message says why
  3         the guest failed: triple fault, VM-entry failure, dead lock; the state follows; campaign: a run did
  4         --sanitize: misuse was found
)";

std::string names_of(const std::vector<const CLI::App*>& subcommands) {
    std::string names;
    for (const CLI::App* subcommand : subcommands) {
        names += (names.empty() ? "" : ", ") + subcommand->get_name();
    }
    return names;
}

// CLI11 says that a subcommand is missing, but neither which there are nor what stands in its place.
void explain_missing_subcommand(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().back();
    const auto choices = at->get_subcommands([](const CLI::App*) { return true; });
    if (choices.empty()) return;
    if (const auto unknown = at->remaining(); !unknown.empty()) {
        fmt::print(stderr, "{}: \"{}\" is neither a subcommand nor an option\n", at->get_name(), unknown[0]);
    }
    fmt::print(stderr, "Subcommands of {}: {}\n", at->get_name(), names_of(choices));
}

// CLI11's own statuses are replaced by ours.
int parse(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::RequiredError& error) {
        explain_missing_subcommand(app);
        app.exit(error);
        return vtless::cli::kBadInput;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? vtless::cli::kEndedAsAsked : vtless::cli::kBadInput;
    }
    return -1;
}

int run(int argc, char** argv) {
    CLI::App app(
        "vtless: hardware virtualization without the hardware.\n"
        "Runs guests through a real VMX backend on a simulated VMX processor, and counts every VM exit.",
        "vtless");
    app.footer(kFooter);
    app.set_version_flag("--version", "vtless " VTLESS_VERSION);
    app.require_subcommand(1);

    std::map<const CLI::App*, vtless::cli::Command> commands;
    auto* run_app = app.add_subcommand("run", "Run a guest: firmware, a Linux kernel or a flat binary");
    commands[run_app] = vtless::cli::add_run_command(*run_app);
    auto* machine = app.add_subcommand("machine", "Boot an image that is itself a hypervisor");
    commands[machine] = vtless::cli::add_machine_command(*machine);
    auto* trace = app.add_subcommand("trace", "Work with traces that `vtless run --trace` has written");
    trace->require_subcommand(1);
    auto* diff = trace->add_subcommand("diff", "Show the first exit in which two traces differ");
    commands[diff] = vtless::cli::add_trace_diff_command(*diff);
    auto* bench = app.add_subcommand("bench", "Gate on what benchmarks count");
    bench->require_subcommand(1);
    auto* compare = bench->add_subcommand("compare", "Show each counter that is not what it was");
    commands[compare] = vtless::cli::add_bench_compare_command(*compare);
    auto* baseline = bench->add_subcommand("baseline", "Make a baseline of a result");
    commands[baseline] = vtless::cli::add_bench_baseline_command(*baseline);
    auto* campaign = app.add_subcommand("campaign", "Run a matrix of guests, processors and seeds");
    commands[campaign] = vtless::cli::add_campaign_command(*campaign);
    auto* vmcs = app.add_subcommand("vmcs", "Explain why a VM entry fails, from a dump of the VMCS");
    vmcs->require_subcommand(1);
    auto* explain = vmcs->add_subcommand("explain", "Run all checks of VM entry on a dump");
    commands[explain] = vtless::cli::add_vmcs_explain_command(*explain);
    auto* checks = vmcs->add_subcommand("checks", "List every check of VM entry");
    commands[checks] = vtless::cli::add_vmcs_checks_command(*checks);
    auto* vmcs_diff = vmcs->add_subcommand("diff", "Show the fields in which two dumps differ");
    commands[vmcs_diff] = vtless::cli::add_vmcs_diff_command(*vmcs_diff);
    auto* sanitize = app.add_subcommand("sanitize", "What --sanitize looks for");
    sanitize->require_subcommand(1);
    auto* rules = sanitize->add_subcommand("rules", "List every rule");
    commands[rules] = vtless::cli::add_sanitize_rules_command(*rules);
    auto* doctor = app.add_subcommand("doctor", "Report the engine, KVM, and what each backend can do");
    commands[doctor] = vtless::cli::add_doctor_command(*doctor);
    auto* cpus = app.add_subcommand("cpus", "List the processors that --cpu knows");
    commands[cpus] = vtless::cli::add_cpus_command(*cpus);
    auto* profiles = app.add_subcommand("profiles", "List the timing profiles that --profile knows");
    commands[profiles] = vtless::cli::add_profiles_command(*profiles);

    if (const int status = parse(app, argc, argv); status >= 0) return status;
    for (const auto& [subcommand, command] : commands) {
        if (subcommand->parsed()) return command();
    }
    return vtless::cli::kBadInput;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {  // no memory for an input file, for one
        std::fprintf(stderr, "vtless: %s\n", error.what());
        return vtless::cli::kBadInput;
    }
}
