// SPDX-License-Identifier: MIT
#include "cli/profile_cycles.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "lab/cycle_report.h"
#include "lab/whole_file.h"
#include "vmm/loaders/image_file.h"

namespace vtless::cli {

namespace {

using Format = std::string (*)(const sim::CycleProfile&, const lab::GuestSymbols&);

struct Output {
    Format format;
    std::string path;  // empty: standard output
};

vmm::Result<Output> parse_output(const std::string& text) {
    struct Named {
        std::string_view name;
        Format format;
    };
    static constexpr std::array<Named, 3> kFormats = {
        {{"table", lab::cycle_table}, {"folded", lab::folded_stacks}, {"benchmark", lab::benchmark_json}}};
    const size_t end = text.find('=');
    const std::string name = text.substr(0, end);
    const std::string path = end == std::string::npos ? "" : text.substr(end + 1);
    if (end != std::string::npos && path.empty())
        return vmm::fail("--profile-cycles: {} names no file", text);
    for (const Named& format : kFormats)
        if (format.name == name) return Output{format.format, path == "-" ? "" : path};
    return vmm::fail("--profile-cycles: there is no format \"{}\": table, folded or benchmark", name);
}

// Before the run, which may be long.
vmm::Result<void> check_writable(const std::string& path) {
    if (path.empty()) return {};
    const std::filesystem::path target(path);
    std::error_code ignored;
    const bool there = std::filesystem::exists(target, ignored);
    const std::string parent = target.parent_path().empty() ? "." : target.parent_path().string();
    const bool device = there && !std::filesystem::is_regular_file(target, ignored);
    int error = access(device ? path.c_str() : parent.c_str(), W_OK) == 0 ? 0 : errno;
    if (std::filesystem::is_directory(target, ignored)) error = EISDIR;
    if (error == 0) return {};
    return vmm::fail("--profile-cycles: {} cannot be written: {}", path, std::strerror(error));
}

vmm::Result<void> write_to(const std::string& path, const std::string& text) {
    std::error_code ignored;
    const bool special =
        std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored);
    if (!path.empty() && !special) return lab::write_whole(path, text, lab::IfThere::Replace);
    std::FILE* file = path.empty() ? stdout : std::fopen(path.c_str(), "w");
    bool done = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size() &&
                std::fflush(file) == 0;
    if (file != nullptr && file != stdout) done = std::fclose(file) == 0 && done;
    if (done) return {};
    return vmm::fail("{}: cannot be written: {}", path.empty() ? "standard output" : path,
                     std::strerror(errno));
}

// The last @ belongs to the file's name where there is such a file.
vmm::Result<void> add_symbols(const std::string& text, lab::GuestSymbols& names) {
    const size_t at = text.rfind('@');
    std::error_code ignored;
    if (at == std::string::npos || std::filesystem::exists(text, ignored)) return names.add_file(text, 0);
    const auto base = vmm::parse_number(text.substr(at + 1));
    if (!base) return vmm::fail("--symbols {}: {}", text, base.error().message);
    return names.add_file(text.substr(0, at), *base);
}

}  // namespace

void ProfileCyclesOptions::add_to(CLI::App& app) {
    app.add_option(
           "--profile-cycles", outputs,
           "Say where simulated time went, by VM exit, phase and guest code: table; folded, stacks for "
           "flame graphs; benchmark, JSON for `vtless bench compare`; more than once for several")
        ->type_name("FORMAT[=FILE]")
        ->allow_extra_args(false);
    app.add_option("--symbols", symbols,
                   "With --profile-cycles: names of guest code, an ELF file or a list as nm prints it, at "
                   "addresses that are BASE higher")
        ->type_name("FILE[@BASE]")
        ->allow_extra_args(false);
}

vmm::Result<void> ProfileCyclesOptions::attach(sim::EngineConfig& engine) {
    if (outputs.empty() && !symbols.empty()) return vmm::fail("--symbols belongs to --profile-cycles");
    for (const std::string& text : outputs) {
        const auto output = parse_output(text);
        if (!output) return Unexpected(output.error());
        if (auto writable = check_writable(output->path); !writable) return writable;
    }
    for (const std::string& text : symbols)
        if (auto added = add_symbols(text, names_); !added) return added;
    if (outputs.empty()) return {};
    profile_ = std::make_unique<sim::CycleProfile>();
    engine.profile = profile_.get();
    return {};
}

vmm::Result<void> ProfileCyclesOptions::finish() const {
    for (const std::string& text : outputs) {
        const auto output = parse_output(text);
        if (auto written = write_to(output->path, output->format(*profile_, names_)); !written)
            return written;
    }
    return {};
}

}  // namespace vtless::cli
