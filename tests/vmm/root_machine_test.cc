// SPDX-License-Identifier: MIT
#include "vmm/root_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "isa/x86/segment.h"
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

// Real mode copies GDT (600H), TSSs (700H, 800H) and IDT (900H) from F000:C080, goes to protected mode, loads
// TR and IDTR and goes on with `code`. The second TSS, selector 18H, is of `task`, flat 32-bit code at
// FC600H; the IDT has task gates to it at vectors 13 and 20H. cli; mov si, c080h; mov di, 600h; mov cx, 410h;
// rep movs es:[di], cs:[si]; lgdt cs:[c078h]; mov eax, cr0; or al, 1; mov cr0, eax; mov ax, 10h; ltr ax; lidt
// cs:[c072h]; code
std::string two_tasks(std::string_view code, std::string_view task, char debug_trap = 0) {
    std::string image(0x700, '\0');
    const auto put = [&image](size_t at, std::string_view bytes) { image.replace(at, bytes.size(), bytes); };
    const auto descriptor = [&image](size_t at, uint64_t base, uint32_t limit, uint32_t rights) {
        const uint64_t raw = x86::descriptor_from_segment({0, base, limit, {rights}});
        std::memcpy(image.data() + at, &raw, sizeof raw);
    };
    put(0,
        "\xfa\xbe\x80\xc0\xbf\0\x06\xb9\x10\x04\x2e\xf3\xa4\x2e\x0f\x01\x16\x78\xc0\x0f\x20\xc0\x0c\x01"
        "\x0f\x22\xc0\xb8\x10\0\x0f\0\xd8\x2e\x0f\x01\x1e\x72\xc0"sv);
    put(39, code);
    put(0x72, "\x07\x01\0\x09\0\0"sv);
    put(0x78, "\x2f\0\0\x06\0\0"sv);
    descriptor(0x88, 0, 0xffffffff, 0xc09b);
    descriptor(0x90, 0x700, 0x67, 0x89);
    descriptor(0x98, 0x800, 0x67, 0x89);
    descriptor(0xa0, 0, 0xffffffff, 0xc093);
    descriptor(0xa8, 0xf0000, 0xffff, 0x9b);
    constexpr size_t kTask = 0x280;
    put(kTask + 0x20, "\0\xc6\x0f\0\x02\0\0\0"sv);  // EIP, EFLAGS
    put(kTask + 0x38, "\0\x70"sv);                  // ESP
    put(kTask + 0x4c, "\x08\0\0\0\x20"sv);          // CS, SS
    image[kTask + 0x64] = debug_trap;
    for (const size_t vector : {0x0du, 0x20u}) put(0x380 + vector * 8, "\0\0\x18\0\0\x85\0\0"sv);
    put(0x600, task);
    return image;
}

// jmp 18h:0. mov al, 'T'; out e9h, al; hlt
TEST(RootMachine, SwitchesTasks) {
    const Ended done = run(two_tasks("\xea\0\0\x18\0"sv, "\xb0T\xe6\xe9\xf4"sv));
    EXPECT_EQ(done.printed, "T") << done.result.text << done.result.state;
    EXPECT_THAT(done.result.text, HasSubstr("the image halted"));
}

// mov ax, 58h; mov ds, ax, which is #GP(58h). pop eax; out e9h, al; hlt
TEST(RootMachine, DeliversAnExceptionToATask) {
    const Ended done = run(two_tasks("\xb8\x58\0\x8e\xd8"sv, "\x58\xe6\xe9\xf4"sv));
    EXPECT_EQ(done.printed, "X") << done.result.text << done.result.state;
}

// jmp 28h:c02ch; mov ax, 20h; mov ss, ax; mov sp, 7000h; int 20h; mov al, 'R'; out e9h, al; hlt. mov al, 'I';
// out e9h, al; iret
TEST(RootMachine, ComesBackFromATask) {
    const Ended done = run(two_tasks(
        "\xea\x2c\xc0\x28\0\xb8\x20\0\x8e\xd0\xbc\0\x70\xcd\x20\xb0R\xe6\xe9\xf4"sv, "\xb0I\xe6\xe9\xcf"sv));
    EXPECT_EQ(done.printed, "IR") << done.result.text << done.result.state;
}

TEST(RootMachine, SaysWhatIsNotImplemented) {
    const Ended trapped = run(two_tasks("\xea\0\0\x18\0"sv, "\xf4"sv, 1));
    EXPECT_TRUE(trapped.result.failed);
    EXPECT_THAT(trapped.result.text,
                HasSubstr("a task switch to a TSS whose T flag is set in root operation"));
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
