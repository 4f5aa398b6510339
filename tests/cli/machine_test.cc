// SPDX-License-Identifier: MIT
// vtless machine, as users call it. What images can do is in tests/vmm/root_machine_test.cc and tests/probe.
#include <gtest/gtest.h>

#include <sstream>

#include "tests/cli/command.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using vmm::TemporaryFile;

// A ROM whose 16-bit code at the reset vector is this, 16 bytes at most.
std::string rom(std::string code, size_t size = 16 << 10) {
    code.resize(16, '\0');
    return std::string(size - 16, '\xff') + code;
}
const std::string kDebugExit("\xb0\x2a\xe6\xf4\xf4");               // mov al, 0x2a; out 0xf4, al; hlt
const std::string kPrint("\xb0h\xe6\xe9\xb0i\xe6\xe9\xfa\xf4");     // "hi"; cli; hlt
const std::string kLoop("\xeb\xfe");                                // jmp $
const std::string kTripleFault("\x0f\x01\x1e\x00\x80\x0f\x0b", 7);  // lidt [0x8000], which holds 0; ud2

CommandResult run_rom(const std::string& code, std::vector<std::string> more = {}) {
    const TemporaryFile image(rom(code));
    more.insert(more.begin(), {"machine", image.path()});
    return run_command(more);
}

TEST(Machine, DebugExitGivesTheStatus) {
    const auto result = run_rom(kDebugExit);
    EXPECT_EQ(result.status, 0x2a << 1 | 1) << result.err;
    EXPECT_TRUE(contains(result.err, "0 VM entries")) << result.err;
}

TEST(Machine, PrintsWhereItIsSent) {
    const auto result = run_rom(kPrint);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, "hi");
    EXPECT_TRUE(contains(result.err, "the image halted and nothing is left that would ever wake it"))
        << result.err;
    const TemporaryFile console;
    EXPECT_EQ(run_rom(kPrint, {"--debugcon", console.path()}).out, "");
    std::string text;
    std::ifstream(console.path()) >> text;
    EXPECT_EQ(text, "hi");
}

TEST(Machine, RunsOnEachProcessor) {
    for (const char* name : {"default", "haswell", "skylake-sp", "sapphire-rapids", "minimal"})
        EXPECT_EQ(run_rom(kDebugExit, {"--cpu", name}).status, 0x2a << 1 | 1) << name;
}

TEST(Machine, CyclesEndALoop) {
    const auto result = run_rom(kLoop, {"--max-cycles", "100000"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(contains(result.err, "100000")) << result.err;
}

TEST(Machine, ProfilesWhatTheImageTakes) {
    const auto result = run_rom(kLoop, {"--max-cycles", "100000", "--profile-cycles", "folded"});
    EXPECT_EQ(result.status, 0) << result.err;
    const uint64_t cycles = std::stoull(result.err.substr(result.err.find("entries, ") + 9));
    uint64_t ticks = 0;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
        EXPECT_TRUE(line.starts_with("handler;(start) ") || line.starts_with("walk;(start) ")) << line;
        ticks += std::stoull(line.substr(line.rfind(' ') + 1));
    }
    EXPECT_EQ(ticks / 16, cycles) << result.out;
    EXPECT_EQ(run_rom(kLoop, {"--profile-cycles", "svg"}).status, 2);
}

TEST(Machine, ATripleFaultShowsTheState) {
    const auto result = run_rom(kTripleFault);
    EXPECT_EQ(result.status, 3);
    EXPECT_TRUE(contains(result.err, "the image triple-faulted in root operation")) << result.err;
    EXPECT_TRUE(contains(result.err, "CR0")) << result.err;
}

TEST(Machine, RefusesImages) {
    expect_refused({"machine"}, "image is required");
    expect_refused({"machine", "/nonexistent/rom"}, "/nonexistent/rom: No such file or directory");
    expect_refused({"machine", "/"}, "not a regular file");
    const TemporaryFile empty, odd(rom(kLoop, (16 << 10) + 1)), small(rom(kLoop, 12 << 10));
    const TemporaryFile large(std::string((16 << 20) + 4096, '\0'));
    expect_refused({"machine", empty.path()}, empty.path() + ": the file is empty");
    expect_refused({"machine", large.path()}, large.path() + ": 16781312 bytes, expected at most 16777216");
    for (const TemporaryFile* image : {&odd, &small})
        expect_refused({"machine", image->path()}, "expected a multiple of 4 KiB from 16 KiB to 16 MiB");
}

TEST(Machine, RefusesOptions) {
    const TemporaryFile image(rom(kDebugExit));
    const auto refused = [&](std::vector<std::string> options, const std::string& message) {
        options.insert(options.begin(), {"machine", image.path()});
        expect_refused(options, message);
    };
    refused({"--cpu", "z80"}, "--cpu: no processor \"z80\"; there are default, haswell");
    refused({"--memory", "lots"}, "--memory: \"lots\" is not a size");
    refused({"--memory", "4G"}, "expected a multiple of 4 KiB from 2 MiB to 3 GiB");
    refused({"--memory", "0"}, "memory of 0 bytes");
    refused({"--max-cycles", "many"}, "--max-cycles: \"many\" is not a number");
    refused({"--debugcon", "/nonexistent/file"}, "/nonexistent/file: No such file or directory");
    refused({"--bios", "a"}, "--bios");
}

}  // namespace
}  // namespace vtless::cli
