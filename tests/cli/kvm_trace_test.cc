// SPDX-License-Identifier: MIT
// The same guest on the simulated processor and on KVM, each recorded, and the two traces compared.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using namespace std::string_literals;
using vmm::TemporaryFile;

// Ports in three widths, strings of both directions, device memory by load, store and read-modify-write,
// MSRs, CPUID, EFER and CR0; then 0x2a to the debug exit.
const std::string kEverything =
    "\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x70\xfc"  // xor ax, ax; ds = es = ss = ax; sp = 0x7000; cld
    "\x66\x31\xc0\x0f\xa2"                              // xor eax, eax; cpuid
    "\xba\x02\x04\xb0h\xee"                             // mov dx, 0x402; mov al, 'h'; out dx, al
    "\xbe\x00\x80\xb9\x03\x00\xf3\x6e"                  // mov si, 0x8000; mov cx, 3; rep outsb
    "\xba\x10\x05\xb8\x05\x00\xef"                      // mov dx, 0x510; mov ax, 5; out dx, ax
    "\xba\x11\x05\xbf\x00\x90\xb9\x04\x00\xf3\x6c"      // mov dx, 0x511; mov di, 0x9000; mov cx, 4; rep insb
    "\xba\xf8\x0c\x66\xb8\x00\x00\x00\x80\x66\xef"      // mov dx, 0xcf8; mov eax, 0x80000000; out dx, eax
    "\xba\xfc\x0c\x66\xed"                              // mov dx, 0xcfc; in eax, dx
    "\xb8\x00\xb8\x8e\xe0"                              // mov ax, 0xb800; mov fs, ax
    "\x66\xb8\x44\x33\x22\x11\x64\x66\xa3\x00\x00"      // mov eax, 0x11223344; mov fs:[0], eax
    "\x64\x8b\x1e\x02\x00\x64\x83\x0e\x04\x00\x01"      // mov bx, fs:[2]; or word fs:[4], 1
    "\x66\xb9\x1b\x00\x00\x00\x0f\x32"                  // mov ecx, 0x1b; rdmsr
    "\x66\xb9\x79\x00\x00\x00\x66\x31\xc0\x66\x31\xd2\x0f\x30"  // mov ecx, 0x79; xor eax, eax; xor edx, edx;
                                                                // wrmsr
    "\x66\xb9\x80\x00\x00\xc0\x0f\x32"                          // mov ecx, 0xc0000080; rdmsr
    "\x0f\x20\xc0\x0c\x20\x0f\x22\xc0"                          // mov eax, cr0; or al, 0x20; mov cr0, eax
    "\xb0\x2a\xe6\xf4"s;                                        // mov al, 0x2a; out 0xf4, al

// kTimer's PIT as a rate generator, whose handler counts at 0x9010 and ends the interrupt: HLT until it
// says 3.
const std::string kTicks =
    "\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x70"                                  // ds = ss = 0; sp = 0x7000
    "\xc7\x06\x20\x00\x80\x80\xc7\x06\x22\x00\x00\x00\xc6\x06\x10\x90\x00"  // vector 8 at 0x8080; count 0
    "\xb0\x11\xe6\x20\xb0\x08\xe6\x21\xb0\x04\xe6\x21\xb0\x01\xe6\x21\xb0\xfe\xe6\x21"  // ICWs, mask
    "\xb0\x34\xe6\x43\xb0\x00\xe6\x40\xb0\x10\xe6\x40"  // mode 2, count 0x1000
    "\xfb\xf4\x80\x3e\x10\x90\x03\x72\xf8\xfa"          // sti; hlt; cmp byte [0x9010], 3; jb to hlt; cli
    "\xb0\x2a\xe6\xf4"s                                 // mov al, 0x2a; out 0xf4, al
    + std::string(0x80 - 72, '\x90') +
    "\x50\xfe\x06\x10\x90\xb0\x20\xe6\x20\x58\xcf"s;  // push ax; inc byte [0x9010]; eoi; pop ax; iret

// A bzImage whose 64-bit entry shows what the loader left: CR0, CR3, CR4, EFER, CS and DS on port 0x80, then
// the command line with its 0, the initrd and the table of memory on the debug console.
std::string small_kernel() {
    constexpr size_t kSetup = 2048, kCode = 0x400;
    std::string image(kSetup + kCode, '\0');
    const auto set = [&image](size_t offset, auto value) {
        std::memcpy(&image[offset], &value, sizeof value);
    };
    set(0x1f1, uint8_t{3});
    set(0x1f4, static_cast<uint32_t>(kCode / 16));
    set(0x1fe, uint16_t{0xaa55});
    set(0x201, uint8_t{0x6a});
    image.replace(0x202, 4, "HdrS");
    set(0x206, uint16_t{0x020f});
    set(0x22c, uint32_t{0x7fffffff});
    set(0x236, uint16_t{0x003f});
    set(0x238, uint32_t{100});
    set(0x258, uint64_t{0x100000});
    set(0x260, uint32_t{0x100000});
    const std::string code =
        "\x0f\x20\xc0\xe7\x80\x0f\x20\xd8\xe7\x80\x0f\x20\xe0\xe7\x80"  // mov rax, cr0, cr3, cr4; out 0x80,
                                                                        // eax
        "\xb9\x80\x00\x00\xc0\x0f\x32\xe7\x80"                          // mov ecx, EFER; rdmsr; out
        "\x8c\xc8\xe7\x80\x8c\xd8\xe7\x80"                              // mov eax, cs; out; mov eax, ds; out
        "\xba\x02\x04\x00\x00\x48\x89\xf5"                              // mov edx, 0x402; mov rbp, rsi
        "\x8b\xb5\x28\x02\x00\x00\xac\xee\x84\xc0\x75\xfa"          // mov esi, command line; lodsb; out; to 0
        "\x8b\xb5\x18\x02\x00\x00\x8b\x8d\x1c\x02\x00\x00\xf3\x6e"  // the initrd: esi, ecx; rep outsb
        "\x0f\xb6\x85\xe8\x01\x00\x00\x6b\xc8\x14"                  // its count of entries, 20 bytes each
        "\x48\x8d\xb5\xd0\x02\x00\x00\xf3\x6e\xb0\x2a\xe6\xf4"s;    // rep outsb; 0x2a to 0xf4
    return image.replace(kSetup + 0x200, code.size(), code);
}

CommandResult record(const char* backend, const std::string& guest, const TemporaryFile& trace) {
    const TemporaryFile image(guest);
    return run_command({"run", "--backend", backend, "--flat", image.path(), "--load", "0x8000", "--entry",
                        "0x8000", "--memory", "2M", "--max-exits", "2000", "--trace", trace.path()});
}

std::string content(const TemporaryFile& file) {
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    return text.str();
}

class KvmTrace : public ::testing::Test {
  protected:
    void SetUp() override {
        if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/kvm cannot be opened here";
        const auto halt = record("kvm", guests::kHalt, kvm_);
        if (contains(halt.err, "built without <linux/kvm.h>")) GTEST_SKIP() << halt.err;
    }
    CommandResult diff() { return run_command({"trace", "diff", sim_.path(), kvm_.path()}); }

    const TemporaryFile sim_{""};
    const TemporaryFile kvm_{""};
};

TEST_F(KvmTrace, HasTheExitsOfTheSimulatedProcessor) {
    for (const char* backend : {"sim", "kvm"}) {
        const auto ended = record(backend, kEverything, backend == "sim"s ? sim_ : kvm_);
        ASSERT_EQ(ended.status, (0x2a << 1 | 1) & 0xff) << backend << ended.err;
    }
    const auto result = diff();
    EXPECT_EQ(result.status, 0) << result.out;
    EXPECT_TRUE(contains(result.out, "(vmx)\n")) << result.out;
    EXPECT_TRUE(contains(result.out, "(kvm)\n")) << result.out;
    EXPECT_TRUE(contains(result.out, "nothing differs that may not: 18 exits are the same\n")) << result.out;
    EXPECT_TRUE(contains(result.out, "  kept.CPUID                    A        1  B        0  "))
        << result.out;
    EXPECT_TRUE(contains(result.out, "  kept.CONTROL_REGISTER_ACCESS  A        1  B        0  "))
        << result.out;
}

TEST_F(KvmTrace, SaysWhatKvmCannot) {
    ASSERT_EQ(record("kvm", guests::kVideoMemory, kvm_).status, 0);
    const std::string text = content(kvm_);
    EXPECT_TRUE(text.starts_with(
        "vtless-trace 3\nbackend=kvm absent=cycles,raw,qualification,reg,reg_width,signed\n"))
        << text;
    EXPECT_TRUE(contains(text, " exit=MmioRead,addr=0xb8000,width=0x2 registers=before rip=0x8005 ")) << text;
    const std::string exits = text.substr(text.find("\n0 "));
    for (const char* field : {"cycles=", "raw=", "qualification=", "reg=", "reg_width=", "signed="})
        EXPECT_FALSE(contains(exits, field)) << field << text;
}

TEST_F(KvmTrace, InterruptsOfATimerMayComeAtOtherTimes) {
    for (const char* backend : {"sim", "kvm"}) {
        const auto ended = record(backend, kTicks, backend == "sim"s ? sim_ : kvm_);
        ASSERT_EQ(ended.status, (0x2a << 1 | 1) & 0xff) << backend << ended.err;
    }
    const auto result = diff();
    EXPECT_EQ(result.status, 0) << result.out;
}

TEST_F(KvmTrace, KernelFindsWhatItFindsOnTheSimulatedProcessor) {
    const TemporaryFile kernel(small_kernel()), initrd("the initrd");
    std::string printed;
    for (const char* backend : {"sim", "kvm"}) {
        const auto ended =
            run_command({"run", "--backend", backend, "--kernel", kernel.path(), "--initrd", initrd.path(),
                         "--append", "quiet=1", "--memory", "16M", "--max-exits", "2000", "--trace",
                         backend == "sim"s ? sim_.path() : kvm_.path()});
        ASSERT_EQ(ended.status, (0x2a << 1 | 1) & 0xff) << backend << ended.err;
        if (printed.empty()) printed = ended.out;
        EXPECT_EQ(ended.out, printed) << backend;
    }
    EXPECT_TRUE(printed.starts_with("quiet=1\0the initrd"s)) << printed;
    const auto result = diff();
    EXPECT_EQ(result.status, 0) << result.out;
    EXPECT_TRUE(contains(content(kvm_), " exit=IoWrite,port=0x80,width=0x4,data=0x500 ")) << "EFER: LME, LMA";
}

TEST_F(KvmTrace, FirstExitThatDiffersIsShown) {
    std::string other = kEverything;
    other[other.find("\xb0h") + 1] = 'i';
    ASSERT_NE(record("sim", kEverything, sim_).status, 2);
    ASSERT_NE(record("kvm", other, kvm_).status, 2);
    const auto result = diff();
    EXPECT_EQ(result.status, 1) << result.out;
    EXPECT_TRUE(contains(result.out, "0 exits are the same, then the traces differ:\n")) << result.out;
    EXPECT_TRUE(contains(result.out, "exit=IoWrite,port=0x402,width=0x1,data=0x68 ")) << result.out;
    EXPECT_TRUE(contains(result.out, "\nB:  0 exit=IoWrite,port=0x402,width=0x1,data=0x69 ")) << result.out;
}

TEST_F(KvmTrace, OfAGuestWithoutAnEndIsAsLongAsItsLimit) {
    const TemporaryFile image(guests::kSpin);
    const auto ended =
        run_command({"run", "--backend", "kvm", "--flat", image.path(), "--load", "0x8000", "--entry",
                     "0x8000", "--memory", "2M", "--max-exits", "3", "--trace", kvm_.path()});
    EXPECT_EQ(ended.status, 0) << ended.err;
    const std::string text = content(kvm_);
    EXPECT_TRUE(contains(text, "\n2 exit=PreemptionTimer rip=0x8000 ")) << text;
    EXPECT_TRUE(text.ends_with("\nend 3\n")) << text;
    EXPECT_EQ(run_command({"trace", "diff", kvm_.path(), kvm_.path()}).status, 0);
}

TEST_F(KvmTrace, ThatCannotBeWrittenIsSaid) {
    const TemporaryFile image(guests::kHalt);
    const auto run = [&image](const char* path) {
        return run_command({"run", "--backend", "kvm", "--flat", image.path(), "--load", "0x8000", "--entry",
                            "0x8000", "--memory", "2M", "--trace", path});
    };
    const auto nowhere = run("/nonexistent/trace");
    EXPECT_EQ(nowhere.status, 2);
    EXPECT_TRUE(contains(nowhere.err, "cannot write trace /nonexistent/trace")) << nowhere.err;
    const auto full = run("/dev/full");
    EXPECT_EQ(full.status, 2);
    EXPECT_TRUE(contains(full.err, "could not be written completely")) << full.err;
}

}  // namespace
}  // namespace vtless::cli
