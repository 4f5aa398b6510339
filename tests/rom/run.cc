// SPDX-License-Identifier: MIT
#include "tests/rom/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

namespace vtless::rom {

namespace {

constexpr const char* kModel = "corei7_haswell_4770";

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

std::string output_of(const std::string& command) {
    std::string output;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return output;
    std::array<char, 4096> buffer;
    while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
        output.append(buffer.data(), count);
    pclose(pipe);
    return output;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

std::string why_no_bochs() {
    if (output_of("command -v bochs").empty()) return "Bochs is not installed (Debian: bochs, bochs-term)";
    const std::string models = output_of("bochs --help cpu 2>&1");
    if (!contains(models, kModel)) return fmt::format("this Bochs has no processor {}", kModel);
    return "";
}

std::string scratch(const std::string& name) {
    std::string path = ::testing::TempDir() + "vtless-rom-" + name;
    mkdir(path.c_str(), 0777);
    return path;
}

// The display server asks for a client, and is told not to wait. A Bochs with its debugger built in waits for
// commands: the first lets it run. It ends by the shutdown port, which it reports as an error.
std::string run_in_bochs(const std::string& rom, const std::string& scratch) {
    const std::string configuration = scratch + "/bochsrc";
    std::ofstream(configuration) << fmt::format(
        "config_interface: textconfig\n"
        "display_library: rfb, options=\"timeout=0\"\n"
        "megs: 32\n"
        "cpu: model={}, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=0\n"
        "romimage: file={}\n"
        "port_e9_hack: enabled=1\n"
        "log: {}/bochs.log\n"
        "panic: action=report\nerror: action=report\ninfo: action=ignore\ndebug: action=ignore\n"
        "sound: driver=dummy\n",
        kModel, rom, scratch);
    std::ofstream(scratch + "/commands") << "c\n";
    const bool debugger = contains(output_of("bochs --help 2>&1"), "-rc ");
    const std::string command =
        fmt::format("cd '{0}' && timeout 200 bochs -q -f bochsrc {1} >bochs.out 2>bochs.err </dev/null",
                    scratch, debugger ? "-rc commands" : "");
    (void)std::system(command.c_str());
    // Its debugger reports a triple fault of the guest in the middle of a line.
    return std::regex_replace(read_file(scratch + "/bochs.out"), std::regex("\\(0\\)\\.\\[[^\n]*\n"), "");
}

std::string run_here(const std::string& rom, const std::string& profile, const std::string& scratch,
                     const std::string& options) {
    std::string arguments = fmt::format("machine '{}' --max-cycles 20000000000 {}", rom, options);
    if (!profile.empty()) {
        const std::string path = scratch + "/profile.json";
        std::ofstream(path) << profile;
        arguments += fmt::format(" --cpu '{}'", path);
    }
    const std::string command = fmt::format("timeout 200 '{}' {} >'{}/ours.out' 2>'{}/ours.err'",
                                            VTLESS_COMMAND, arguments, scratch, scratch);
    (void)std::system(command.c_str());
    return read_file(scratch + "/ours.out");
}

}  // namespace vtless::rom
