// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/vmm/temporary_file.h"
#include "vmm/loaders/firmware.h"
#include "vmm/loaders/flat.h"
#include "vmm/loaders/image_file.h"
#include "vmm/loaders/linux.h"

namespace vtless::vmm {
namespace {

using x86::Gpr;
using x86::SegmentRegister;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(ParseSize, TakesUnits) {
    EXPECT_EQ(*parse_size("4096"), 4096u);
    EXPECT_EQ(*parse_size("0x1000"), 4096u);
    EXPECT_EQ(*parse_size("64K"), 65536u);
    EXPECT_EQ(*parse_size("512m"), 512u << 20);
    EXPECT_EQ(*parse_size("2G"), 2ull << 30);
    EXPECT_EQ(*parse_size("1GiB"), 1ull << 30);
    EXPECT_EQ(*parse_size("1KB"), 1024u);
}

TEST(ParseSize, RefusesWhatIsNone) {
    for (const char* text : {"", "M", "12X", "12MM", "-1", " 1", "1 ", "0x", "99999999999999999999", "1.5G",
                             "17179869185G", "12Mi"}) {
        const auto size = parse_size(text);
        ASSERT_FALSE(size) << text;
        EXPECT_TRUE(contains(size.error().message, text)) << size.error().message;
    }
}

TEST(ParseNumber, TakesDecimalAndHex) {
    EXPECT_EQ(*parse_number("10"), 10u);
    EXPECT_EQ(*parse_number("0xfF"), 255u);
    EXPECT_EQ(*parse_number("18446744073709551615"), ~uint64_t{0});
    for (const char* text : {"", "1K", "0xg", "18446744073709551616"})
        EXPECT_FALSE(parse_number(text)) << text;
}

TEST(ReadImage, SaysWhatIsWrong) {
    const auto missing = read_image("kernel", "/nonexistent/vmlinuz", 10);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message, "kernel /nonexistent/vmlinuz: No such file or directory");

    const auto directory = read_image("kernel", "/", 10);
    ASSERT_FALSE(directory);
    EXPECT_TRUE(contains(directory.error().message, "not a regular file"));

    const TemporaryFile empty;
    const auto nothing = read_image("kernel", empty.path(), 10);
    ASSERT_FALSE(nothing);
    EXPECT_TRUE(contains(nothing.error().message, "the file is empty"));

    const TemporaryFile large("12345678901");
    const auto oversized = read_image("kernel", large.path(), 10);
    ASSERT_FALSE(oversized);
    EXPECT_TRUE(contains(oversized.error().message, "11 bytes, expected at most 10"));
    EXPECT_EQ(read_image("kernel", large.path(), 11)->bytes.size(), 11u);
}

// Memory of a small PC with ROM for a firmware image.
class LoaderTest : public ::testing::Test {
  protected:
    static constexpr uint64_t kMemory = 64 << 20;

    void add_memory(uint64_t rom_size = 0) {
        ASSERT_TRUE(memory.add({Gpa(0), 0xa0000, Hpa(), ram.data(), true}));
        ASSERT_TRUE(memory.add({Gpa(0xc0000), kMemory - 0xc0000, Hpa(), ram.data() + 0xc0000, true}));
        if (rom_size == 0) return;
        rom.resize(rom_size);
        ASSERT_TRUE(memory.add({firmware_base(rom_size), rom_size, Hpa(), rom.data(), false}));
    }
    template <class T>
    T at(uint64_t address) {
        T value{};
        std::memcpy(&value, ram.data() + address, sizeof value);
        return value;
    }

    std::vector<uint8_t> ram = std::vector<uint8_t>(kMemory);
    std::vector<uint8_t> rom;
    GuestMemory memory;
    MemoryLayout layout{kMemory};
};

class FirmwareTest : public LoaderTest {
  protected:
    static Image image(size_t size) {
        Image made{"bios.bin", std::vector<uint8_t>(size)};
        for (size_t i = 0; i < size; ++i) made.bytes[i] = static_cast<uint8_t>(i >> 12);
        made.bytes[size - 16] = 0xea;
        return made;
    }
};

TEST_F(FirmwareTest, EndsAtFourGiBAndIsCopiedBelowOneMiB) {
    const Image bios = image(256 << 10);
    add_memory(bios.bytes.size());
    const auto boot = load_firmware(bios, memory);
    ASSERT_TRUE(boot) << boot.error().message;
    EXPECT_EQ(rom, bios.bytes);
    EXPECT_EQ(0, std::memcmp(ram.data() + 0xe0000, bios.bytes.data() + (128 << 10), 128 << 10));
    EXPECT_EQ(boot->entry, Gpa(0xfffffff0));
    EXPECT_EQ(boot->registers.segment(SegmentRegister::CS).base, 0xffff0000u);
    EXPECT_EQ(boot->registers.cr0 & 1, 0u);
}

TEST_F(FirmwareTest, SmallImageIsCopiedWhole) {
    const Image bios = image(16 << 10);
    add_memory(bios.bytes.size());
    ASSERT_TRUE(load_firmware(bios, memory));
    EXPECT_EQ(0, std::memcmp(ram.data() + 0xfc000, bios.bytes.data(), 16 << 10));
    EXPECT_EQ(ram[0xfbfff], 0);
}

TEST_F(FirmwareTest, RefusesSizesThatNoFirmwareHas) {
    for (size_t size :
         {size_t{4096}, size_t{(128 << 10) - 1}, size_t{(128 << 10) + 512}, size_t{(16 << 20) + 4096}}) {
        const auto checked = check_firmware(image(size));
        ASSERT_FALSE(checked) << size;
        EXPECT_TRUE(contains(checked.error().message, std::to_string(size) + " bytes, expected a multiple"));
    }
}

TEST_F(FirmwareTest, RefusesAnImageWithoutResetVector) {
    for (uint8_t blank : {uint8_t{0}, uint8_t{0xff}}) {
        const auto checked = check_firmware({"bios.bin", std::vector<uint8_t>(64 << 10, blank)});
        ASSERT_FALSE(checked);
        EXPECT_TRUE(contains(checked.error().message, "nothing at the reset vector"));
    }
}

class FlatTest : public LoaderTest {};

TEST_F(FlatTest, StartsWhereAsked) {
    add_memory();
    const auto boot = load_flat({"a.bin", {1, 2, 3}}, Gpa(0x18000), Gpa(0x18002), memory);
    ASSERT_TRUE(boot);
    EXPECT_EQ(ram[0x18001], 2);
    EXPECT_EQ(boot->entry, Gpa(0x18002));
    EXPECT_EQ(boot->registers.segment(SegmentRegister::CS).base, 0x10000u);
    EXPECT_EQ(boot->registers.segment(SegmentRegister::CS).selector, 0x1000u);
}

TEST_F(FlatTest, RefusesWhatDoesNotFit) {
    add_memory();
    const auto beyond = load_flat({"a.bin", {1, 2, 3}}, Gpa(kMemory - 2), Gpa(0), memory);
    ASSERT_FALSE(beyond);
    EXPECT_TRUE(contains(beyond.error().message, "2 bytes are memory there"));
    EXPECT_FALSE(load_flat({"a.bin", {1}}, Gpa(0x8000), Gpa(0x100000), memory))
        << "real mode does not reach it";
    EXPECT_FALSE(load_flat({"a.bin", {1}}, Gpa(0x8000), Gpa(0xa0000), memory)) << "no memory at the entry";
}

class LinuxTest : public LoaderTest {
  protected:
    LinuxTest() {
        kernel.path = "vmlinuz";
        kernel.bytes.resize(kSetup + kCode);
        set<uint8_t>(0x1f1, 3);
        set<uint32_t>(0x1f4, kCode / 16);
        set<uint16_t>(0x1fe, 0xaa55);
        set<uint8_t>(0x201, 0x6a);
        std::memcpy(kernel.bytes.data() + 0x202, "HdrS", 4);
        set<uint16_t>(0x206, 0x020f);
        set<uint32_t>(0x22c, 0x7fffffff);
        set<uint16_t>(0x236, 0x003f);
        set<uint32_t>(0x238, 100);
        set<uint64_t>(0x258, 0x1000000);
        set<uint32_t>(0x260, 0x1000000);
        kernel.bytes[kSetup + 0x200] = 0x90;
    }
    template <class T>
    void set(size_t offset, T value) {
        std::memcpy(kernel.bytes.data() + offset, &value, sizeof value);
    }
    Result<BootState> load(std::optional<Image> initrd = {}, const std::string& command_line = "") {
        return load_linux({kernel, std::move(initrd), command_line}, layout, memory);
    }
    void expect_refused(const std::string& message) {
        if (memory.regions().empty()) add_memory();
        const auto boot = load();
        ASSERT_FALSE(boot);
        EXPECT_TRUE(contains(boot.error().message, message)) << boot.error().message;
    }

    static constexpr size_t kSetup = 2048;
    static constexpr size_t kCode = 0x4000;
    Image kernel;
};

TEST_F(LinuxTest, FollowsTheSixtyFourBitProtocol) {
    add_memory();
    const auto boot = load(Image{"initrd", std::vector<uint8_t>(5000, 0x11)}, "console=ttyS0");
    ASSERT_TRUE(boot) << boot.error().message;
    EXPECT_EQ(boot->entry, Gpa(0x1000200));
    EXPECT_EQ(ram[0x1000200], 0x90);
    const auto& registers = boot->registers;
    EXPECT_EQ(registers.cr0 & 0x80000001, 0x80000001u);
    EXPECT_EQ(registers.efer & 0x500, 0x500u);
    EXPECT_EQ(registers.rflags & 0x200, 0u);
    EXPECT_EQ(registers.segment(SegmentRegister::CS).selector, 0x10);
    EXPECT_TRUE(registers.segment(SegmentRegister::CS).rights.long_mode());
    EXPECT_EQ(registers.segment(SegmentRegister::DS).selector, 0x18);

    const uint64_t parameters = registers.gprs[static_cast<size_t>(Gpr::RSI)];
    EXPECT_EQ(at<uint16_t>(parameters + 0x1fe), 0xaa55);
    EXPECT_EQ(0, std::memcmp(ram.data() + parameters + 0x202, "HdrS", 4));
    EXPECT_EQ(at<uint8_t>(parameters + 0x210), 0xff);
    EXPECT_STREQ(reinterpret_cast<const char*>(ram.data() + at<uint32_t>(parameters + 0x228)),
                 "console=ttyS0");
    const auto initrd = at<uint32_t>(parameters + 0x218);
    EXPECT_EQ(at<uint32_t>(parameters + 0x21c), 5000u);
    EXPECT_EQ(initrd, (kMemory - 5000) & ~uint64_t{0xfff});
    EXPECT_EQ(ram[initrd + 4999], 0x11);
}

TEST_F(LinuxTest, DescribesMemory) {
    add_memory();
    const auto boot = load();
    ASSERT_TRUE(boot);
    const uint64_t parameters = boot->registers.gprs[static_cast<size_t>(Gpr::RSI)];
    ASSERT_EQ(at<uint8_t>(parameters + 0x1e8), 4);
    const uint64_t last = parameters + 0x2d0 + 60;  // the fourth
    EXPECT_EQ(at<uint64_t>(last), 0x100000u);
    EXPECT_EQ(at<uint64_t>(last + 8), kMemory - 0x100000);
    EXPECT_EQ(at<uint32_t>(last + 16), 1u);
}

TEST_F(LinuxTest, PageTablesMapFourGiBToThemselves) {
    add_memory();
    const auto boot = load();
    ASSERT_TRUE(boot);
    for (uint64_t address : {0x1000200ull, 0xffffffffull}) {
        const auto pml4e = at<uint64_t>(boot->registers.cr3);
        const auto pdpte = at<uint64_t>((pml4e & ~0xfffull) + (address >> 30) * 8);
        const auto pde = at<uint64_t>((pdpte & ~0xfffull) + (address >> 21 & 511) * 8);
        EXPECT_EQ(pml4e & 3, 3u);
        EXPECT_EQ(pdpte & 0x83, 3u);
        EXPECT_EQ(pde & 0x83, 0x83u);
        EXPECT_EQ(pde & ~0x1fffffull, address & ~0x1fffffull);
    }
    EXPECT_EQ(at<uint64_t>(boot->registers.gdtr.base + 0x10) >> 53 & 1, 1u) << "L of the code descriptor";
}

TEST_F(LinuxTest, RefusesWhatIsNoKernel) {
    set<uint16_t>(0x1fe, 0x1234);
    expect_refused("boot flag 0x1234 at 0x1fe, expected 0xaa55");
    set<uint16_t>(0x1fe, 0xaa55);
    kernel.bytes[0x202] = 'X';
    expect_refused("expected \"HdrS\"");
}

TEST_F(LinuxTest, RefusesOldProtocolsAnd32BitKernels) {
    set<uint16_t>(0x206, 0x020b);
    expect_refused("boot protocol 2.11, expected 2.12 or newer");
    set<uint16_t>(0x206, 0x020c);
    set<uint16_t>(0x236, 0x003e);
    expect_refused("no 64-bit entry point");
}

TEST_F(LinuxTest, RefusesTruncatedKernels) {
    kernel.bytes.resize(kSetup + kCode - 16);
    expect_refused("truncated");
    kernel.bytes.resize(kSetup);
    expect_refused("truncated");
    kernel.bytes.resize(0x200);
    expect_refused("too short");
}

TEST_F(LinuxTest, RefusesTooLittleMemory) {
    layout = MemoryLayout(0x1ffffff);
    expect_refused(
        "needs memory up to 0x2000000, the machine has 0x1ffffff bytes below 4 GiB: "
        "--memory 32M is enough");
    set<uint32_t>(0x260, 0xc0000000);
    expect_refused("no --memory gives that much there");
}

TEST_F(LinuxTest, SaysHowMuchMemoryIsEnoughForTheInitrdToo) {
    const Image initrd{"initrd", std::vector<uint8_t>(0x1000001)};
    layout = MemoryLayout(16 << 20);
    add_memory();
    const auto neither = load(initrd);
    ASSERT_FALSE(neither);
    EXPECT_TRUE(contains(neither.error().message, "--memory 49M is enough")) << neither.error().message;
    layout = MemoryLayout(48 << 20);
    const auto only_kernel = load(initrd);
    ASSERT_FALSE(only_kernel);
    EXPECT_TRUE(contains(only_kernel.error().message, "--memory 49M is enough"))
        << only_kernel.error().message;
    layout = MemoryLayout(49 << 20);
    EXPECT_TRUE(load(initrd));

    set<uint32_t>(0x22c, 0x2ffffff);
    const auto low = load(initrd);
    ASSERT_FALSE(low);
    EXPECT_TRUE(contains(low.error().message, "the kernel takes no higher initrd")) << low.error().message;
}

TEST_F(LinuxTest, RefusesWhatDoesNotFitBesideTheKernel) {
    add_memory();
    const auto large = load(Image{"initrd", std::vector<uint8_t>(kMemory - 0x2000000 + 1)});
    ASSERT_FALSE(large);
    EXPECT_TRUE(contains(large.error().message, "initrd initrd: ")) << large.error().message;
    const auto wordy = load({}, std::string(101, 'x'));
    ASSERT_FALSE(wordy);
    EXPECT_TRUE(contains(wordy.error().message, "101 characters, the kernel takes at most 100"));
}

}  // namespace
}  // namespace vtless::vmm
