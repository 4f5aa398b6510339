// SPDX-License-Identifier: MIT
// vtless vmcs explain, checks and diff.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/complain.h"
#include "explain/diff.h"
#include "explain/explain.h"
#include "vmm/cpu_profile.h"

namespace vtless::cli {

namespace {

struct VmcsOptions {
    std::string file;
    std::string other;
    std::string cpu = "default";
    bool json = false;
};

void print_notes(const explain::Dump& dump, const std::string& file) {
    for (const std::string& note : dump.notes) fmt::print(stderr, "vtless: {}: {}\n", file, note);
}

int run_explain(const VmcsOptions& options) {
    const auto cpu = vmm::load_cpu_profile(options.cpu);
    if (!cpu) return complain("--cpu: " + cpu.error().message);
    const auto dump = explain::read_dump_file(options.file);
    if (!dump) return complain(dump.error());
    print_notes(*dump, options.file);
    const explain::Report report = explain::explain(*dump, cpu->advertised);
    fmt::print("{}", options.json ? json_report(report) : text_report(report));
    return report.violations.empty() ? kEndedAsAsked : kDifferent;
}

int run_diff(const VmcsOptions& options) {
    const auto before = explain::read_dump_file(options.file);
    if (!before) return complain(before.error());
    const auto after = explain::read_dump_file(options.other);
    if (!after) return complain(after.error());
    print_notes(*before, options.file);
    print_notes(*after, options.other);
    const auto differences = explain::diff(*before, *after);
    fmt::print("{}", options.json ? json_diff(differences) : text_diff(differences));
    return differences.empty() ? kEndedAsAsked : kDifferent;
}

}  // namespace

Command add_vmcs_explain_command(CLI::App& app) {
    auto options = std::make_shared<VmcsOptions>();
    app.add_option(
           "FILE", options->file,
           "JSON as `vtless run --dump-vmcs` writes it, or a kernel log with Linux KVM's dump of a VMCS")
        ->required();
    app.add_flag("--json", options->json, "As JSON");
    app.add_option("--cpu", options->cpu,
                   "The processor to enter on: a name that `vtless cpus` lists, or a profile's path")
        ->type_name("NAME|FILE")
        ->capture_default_str();
    app.footer(
        "\nFields that the file does not show are unknown: checks that need them are listed, not passed.\n"
        "\nExit status: 0 no check is violated, 1 some are, 2 the file is no dump.\n");
    return [options] { return run_explain(*options); };
}

Command add_vmcs_checks_command(CLI::App& app) {
    auto options = std::make_shared<VmcsOptions>();
    app.add_flag("--json", options->json, "As JSON");
    return [options] {
        fmt::print("{}", options->json ? explain::json_checks() : explain::text_checks());
        return kEndedAsAsked;
    };
}

Command add_vmcs_diff_command(CLI::App& app) {
    auto options = std::make_shared<VmcsOptions>();
    app.add_option("A", options->file, "The dump before, in either format")->required();
    app.add_option("B", options->other, "The dump after")->required();
    app.add_flag("--json", options->json, "As JSON");
    app.footer("\nExit status: 0 the same, 1 they differ, 2 a file is no dump.\n");
    return [options] { return run_diff(*options); };
}

}  // namespace vtless::cli
