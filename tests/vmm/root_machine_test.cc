// SPDX-License-Identifier: MIT
#include "vmm/root_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/vmm/temporary_file.h"

namespace vtless::vmm {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;
using namespace std::string_view_literals;

// A ROM of 16 KiB: the code is at F000:C000, and the reset vector jumps to it.
std::string rom(std::string_view code) {
    std::string bytes(size_t{16} * 1024, '\0');
    bytes.replace(0, code.size(), code);
    bytes.replace(bytes.size() - 16, 3, std::string("\xe9\x0d\xc0", 3));  // jmp: FFF3 + C00D = C000
    return bytes;
}

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

struct Ended {
    RootMachineResult result;
    std::string error;
    std::string printed;
};

Ended run(std::string_view code, uint64_t max_cycles = 1'000'000) {
    const TemporaryFile image(rom(code));
    const TemporaryFile output;
    RootMachineConfig config;
    config.image = image.path();
    config.memory = RootMachineConfig::kMinimumMemory;
    config.max_cycles = max_cycles;
    config.debug_console = output.path();
    auto result = run_root_machine(config);
    if (!result) return {{}, result.error().message, ""};
    return {*result, "", read_file(output.path())};
}

TEST(RootMachine, StartsAtTheResetVectorAndHalts) {
    const Ended halted = run("\xfa\xf4"sv);  // cli; hlt
    EXPECT_FALSE(halted.result.failed) << halted.result.state;
    EXPECT_THAT(halted.result.text, HasSubstr("the image halted"));
}

TEST(RootMachine, PrintsAndEndsThroughPorts) {
    const Ended done = run("\xb0H\xe6\xe9\xb0*\xe6\xf4\xf4"sv);  // out to e9 and f4
    EXPECT_EQ(done.printed, "H");
    ASSERT_TRUE(done.result.request);
    EXPECT_EQ(done.result.request->kind, PowerRequest::Kind::DebugExit);
    EXPECT_EQ(done.result.request->value, '*');
}

TEST(RootMachine, IsSwitchedOffAsBochsIs) {
    std::string code = "\xba"s + std::string("\x00\x89", 2);  // mov dx, 8900h
    for (const char c : "Shutdown"sv) code += std::string("\xb0") + c + "\xee";
    const Ended off = run(code);
    ASSERT_TRUE(off.result.request);
    EXPECT_EQ(off.result.request->kind, PowerRequest::Kind::PowerOff);
}

TEST(RootMachine, StopsAtItsLimit) {
    const Ended endless = run("\xeb\xfe"sv, 5000);
    EXPECT_FALSE(endless.result.failed);
    EXPECT_THAT(endless.result.text, HasSubstr("limit of cycles"));
    EXPECT_GE(endless.result.cycles, 5000u);
    EXPECT_LT(endless.result.cycles, 6000u);
}

// Writing the time-stamp counter neither brings the limit nearer nor puts it off.
TEST(RootMachine, LimitCountsCyclesNotTheTimeStampCounter) {
    // mov ecx, 10h; mov edx, -1; wrmsr; cli; hlt
    const Ended ahead = run("\x66\xb9\x10\0\0\0\x66\xba\xff\xff\xff\xff\x0f\x30\xfa\xf4"sv);
    EXPECT_THAT(ahead.result.text, HasSubstr("the image halted"));
}

TEST(RootMachine, SaysWhereNoMemoryIs) {
    const Ended store = run("\x2e\xa2\x34\x12"sv);  // mov cs:[1234h], al: in ROM or nowhere
    EXPECT_TRUE(store.result.failed);
    EXPECT_THAT(store.result.text, HasSubstr("where no memory is, or a store to ROM"));
    EXPECT_THAT(store.result.state, HasSubstr("real mode"));
}

// The code, and more bytes at F000:C040.
std::string with_tail(std::string_view code, std::string_view tail) {
    std::string bytes(0x40, '\0');
    bytes.replace(0, code.size(), code);
    return bytes + std::string(tail);
}

// cli; mov dx, e9h; mov si, c040h; mov cx, 3; rep outs dx, cs:[si]; then what SI and CX are past their ends:
// mov ax, si; sub ax, c013h; out dx, al; mov al, cl; add al, '0'; out dx, al; hlt
TEST(RootMachine, OutsWritesWhatIsInMemory) {
    const Ended done =
        run(with_tail("\xfa\xba\xe9\0\xbe\x40\xc0\xb9\3\0\x2e\xf3\x6e"
                      "\x89\xf0\x2d\x13\xc0\xee\x88\xc8\x04\x30\xee\xf4"sv,
                      "abc"sv));
    EXPECT_EQ(done.printed, "abc00") << done.result.text << done.result.state;
    EXPECT_THAT(done.result.text, HasSubstr("the image halted"));
}

// cli; std; mov dx, e9h; mov di, 601h; insb; insw; cld; mov si, 5ffh; mov cx, 3; rep outsb; then DI: mov ax,
// di; sub ax, 5cdh; out dx, al; hlt. Port E9H reads E9H, a wider access of it ones beyond.
TEST(RootMachine, InsReadsIntoMemory) {
    const Ended done =
        run("\xfa\xfd\xba\xe9\0\xbf\x01\x06\x6c\x4f\x6d\xfc\xbe\xff\x05\xb9\3\0\xf3\x6e"
            "\x89\xf8\x2d\xcd\x05\xee\xf4"sv);
    ASSERT_EQ(done.printed.size(), 4u) << done.result.text << done.result.state;
    EXPECT_EQ(done.printed[2], '\xe9');
    EXPECT_EQ(done.printed[0], '\xe9');
    EXPECT_EQ(done.printed[3], '0');
}

// cli; mov word [34h], c040h; mov word [36h], f000h; mov sp, 7000h; mov dx, e9h; mov si, ffffh; outsw: beyond
// the limit of DS. At c040h: mov al, 'G'; out e9h, al; hlt
TEST(RootMachine, AStringInstructionThatFaultsAccessesNoPort) {
    const Ended done =
        run(with_tail("\xfa\xc7\x06\x34\0\x40\xc0\xc7\x06\x36\0\0\xf0\xbc\0\x70"
                      "\xba\xe9\0\xbe\xff\xff\x6f\xf4"sv,
                      "\xb0G\xe6\xe9\xf4"sv));
    EXPECT_EQ(done.printed, "G") << done.result.text << done.result.state;
}

// mov dx, 80h; mov cx, ffffh; rep outsb
TEST(RootMachine, StopsAtItsLimitBetweenIterations) {
    const Ended endless = run("\xba\x80\0\xb9\xff\xff\xf3\x6e\xf4"sv, 5000);
    EXPECT_THAT(endless.result.text, HasSubstr("limit of cycles"));
    EXPECT_LT(endless.result.cycles, 6000u);
}

// mov dx, e9h; mov cx, 0; rep outsb; hlt
TEST(RootMachine, NoIterationAccessesNoPort) {
    const Ended done = run("\xba\xe9\0\xb9\0\0\xf3\x6e\xf4"sv);
    EXPECT_EQ(done.printed, "");
    EXPECT_THAT(done.result.text, HasSubstr("the image halted"));
}

// mov di, c000h; push cs; pop es; insb: ES:DI is ROM
TEST(RootMachine, InsIntoRomIsAStoreToRom) {
    const Ended store = run("\xbf\0\xc0\x0e\x07\xba\xe9\0\x6c"sv);
    EXPECT_TRUE(store.result.failed);
    EXPECT_THAT(store.result.text, HasSubstr("a store to ROM"));
}

// lidt cs:[c010h], a table of no bytes; int3
TEST(RootMachine, TripleFaults) {
    std::string code("\x2e\x0f\x01\x1e\x10\xc0\xcc", 7);
    const Ended fault = run(code);
    EXPECT_TRUE(fault.result.failed);
    EXPECT_THAT(fault.result.text, HasSubstr("triple-faulted"));
}

TEST(RootMachine, RefusesWhatIsNoRom) {
    RootMachineConfig config;
    config.image = "/nonexistent";
    EXPECT_FALSE(run_root_machine(config));
    const TemporaryFile small("x");
    config.image = small.path();
    EXPECT_FALSE(run_root_machine(config));
    const TemporaryFile good(rom("\xf4"sv));
    config.image = good.path();
    config.memory = 4096;
    EXPECT_FALSE(run_root_machine(config));
}

}  // namespace
}  // namespace vtless::vmm
