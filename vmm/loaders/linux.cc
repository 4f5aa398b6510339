// SPDX-License-Identifier: MIT
#include "vmm/loaders/linux.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vtless::vmm {

namespace {

// Fields of the setup header, as offsets in the file and in the boot parameters.
constexpr size_t kSetupSectors = 0x1f1;
constexpr size_t kBootFlag = 0x1fe;
constexpr size_t kJump = 0x200;  // its second byte is the header's end, from 0x202
constexpr size_t kMagic = 0x202;
constexpr size_t kVersion = 0x206;
constexpr size_t kLoaderType = 0x210;
constexpr size_t kRamdiskImage = 0x218;
constexpr size_t kRamdiskSize = 0x21c;
constexpr size_t kCommandLinePointer = 0x228;
constexpr size_t kInitrdLimit = 0x22c;
constexpr size_t kExtendedFlags = 0x236;
constexpr size_t kCommandLineSize = 0x238;
constexpr size_t kPreferredAddress = 0x258;
constexpr size_t kInitSize = 0x260;
constexpr size_t kHeaderEnd = 0x268;  // of version 2.12
// Other boot parameters.
constexpr size_t kE820Count = 0x1e8;
constexpr size_t kE820Table = 0x2d0;

constexpr uint16_t kMinimumVersion = 0x020c;
constexpr uint16_t kKernel64 = 0x0001;  // extended flags: has the 64-bit entry point
constexpr uint64_t kEntryOffset = 0x200;
constexpr uint8_t kUndefinedLoader = 0xff;

// What the loader puts below 640 KiB.
constexpr uint64_t kGdt = 0x6000;
constexpr uint16_t kGdtBytes = 32;
constexpr uint64_t kBootParameters = 0x7000;
constexpr uint64_t kPageTables = 0x9000;  // PML4, PDPT, four page directories
constexpr uint64_t kCommandLine = 0x20000;
constexpr uint64_t kStack = 0x8fff0;
constexpr uint64_t kBaseMemoryEnd = 0x9fc00;  // the extended BIOS data area begins
constexpr uint64_t kRomStart = 0xf0000;

template <class T>
T load(std::span<const uint8_t> bytes, size_t offset) {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

template <class T>
void store(std::span<uint8_t> bytes, size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

struct SetupHeader {
    size_t setup_bytes = 0;  // before the protected-mode kernel
    size_t end = 0;
    uint64_t preferred_address = 0;
    uint64_t init_size = 0;
    uint64_t initrd_limit = 0;
    uint64_t command_line_size = 0;
};

Result<SetupHeader> read_header(const Image& kernel) {
    const std::span<const uint8_t> bytes = kernel.bytes;
    const std::string where = "kernel " + kernel.path;
    if (bytes.size() < kHeaderEnd) {
        return fail("{}: {} bytes, too short for a bzImage's setup header ({} bytes)", where, bytes.size(),
                    kHeaderEnd);
    }
    if (const auto flag = load<uint16_t>(bytes, kBootFlag); flag != 0xaa55) {
        return fail("{}: not a bzImage: boot flag {:#06x} at 0x1fe, expected 0xaa55", where, flag);
    }
    if (std::memcmp(bytes.data() + kMagic, "HdrS", 4) != 0) {
        return fail("{}: not a bzImage: magic {:#010x} at 0x202, expected \"HdrS\"", where,
                    load<uint32_t>(bytes, kMagic));
    }
    if (const auto version = load<uint16_t>(bytes, kVersion); version < kMinimumVersion) {
        return fail("{}: boot protocol {}.{:02}, expected 2.12 or newer", where, version >> 8,
                    version & 0xff);
    }
    if ((load<uint16_t>(bytes, kExtendedFlags) & kKernel64) == 0) {
        return fail("{}: has no 64-bit entry point (xloadflags {:#06x}, bit 0 clear): a 32-bit kernel?",
                    where, load<uint16_t>(bytes, kExtendedFlags));
    }
    SetupHeader header;
    const uint8_t sectors = bytes[kSetupSectors];
    header.setup_bytes = (size_t{sectors == 0 ? uint8_t{4} : sectors} + 1) * 512;
    header.end = std::min(size_t{kMagic} + bytes[kJump + 1], bytes.size());
    header.preferred_address = load<uint64_t>(bytes, kPreferredAddress);
    header.init_size = load<uint32_t>(bytes, kInitSize);
    header.initrd_limit = load<uint32_t>(bytes, kInitrdLimit);
    header.command_line_size = load<uint32_t>(bytes, kCommandLineSize);
    if (bytes.size() <= header.setup_bytes + kEntryOffset) {
        return fail("{}: truncated: {} bytes, but its setup alone takes {}", where, bytes.size(),
                    header.setup_bytes);
    }
    // The size of the protected-mode part, in paragraphs.
    const uint64_t wanted = header.setup_bytes + uint64_t{load<uint32_t>(bytes, 0x1f4)} * 16;
    if (bytes.size() + 15 < wanted) {
        return fail("{}: truncated: {} bytes, its header says {}", where, bytes.size(), wanted);
    }
    return header;
}

// Identity-maps the first 4 GiB with 2-MiB pages.
bool write_page_tables(GuestMemory& memory) {
    constexpr uint64_t kPresentWritable = 3, kLarge = 0x80, kPage = 4096;
    std::vector<uint8_t> tables(6 * kPage);
    store<uint64_t>(tables, 0, (kPageTables + kPage) | kPresentWritable);
    for (size_t gib = 0; gib < 4; ++gib) {
        store<uint64_t>(tables, kPage + 8 * gib, (kPageTables + (2 + gib) * kPage) | kPresentWritable);
    }
    for (uint64_t i = 0; i < 2048; ++i) {
        store<uint64_t>(tables, 2 * kPage + 8 * i, i << 21 | kLarge | kPresentWritable);
    }
    return memory.write(Gpa(kPageTables), tables);
}

// Null, unused, 64-bit code, flat data.
bool write_gdt(GuestMemory& memory) {
    std::vector<uint8_t> bytes(kGdtBytes);
    store<uint64_t>(bytes, 0x10, 0x00af9b000000ffff);
    store<uint64_t>(bytes, 0x18, 0x00cf93000000ffff);
    return memory.write(Gpa(kGdt), bytes);
}

void write_e820(std::span<uint8_t> parameters, const MemoryLayout& layout) {
    constexpr uint32_t kUsable = 1, kReserved = 2;
    uint8_t count = 0;
    auto add = [&](uint64_t first, uint64_t end, uint32_t type) {
        if (end <= first) return;
        const size_t at = kE820Table + size_t{20} * count++;
        store<uint64_t>(parameters, at, first);
        store<uint64_t>(parameters, at + 8, end - first);
        store<uint32_t>(parameters, at + 16, type);
    };
    add(0, kBaseMemoryEnd, kUsable);
    add(kBaseMemoryEnd, MemoryLayout::kVideoStart, kReserved);
    add(kRomStart, MemoryLayout::kOneMiB, kReserved);
    add(MemoryLayout::kOneMiB, layout.below_4g, kUsable);
    add(MemoryLayout::kFourGiB, MemoryLayout::kFourGiB + layout.above_4g, kUsable);
    parameters[kE820Count] = count;
}

// What to do about memory that ends before `end`.
std::string advice(uint64_t end) {
    if (end > MemoryLayout::kLowLimit) return "no --memory gives that much there";
    return fmt::format("--memory {}M is enough", (end + 0xfffff) >> 20);
}

// How much memory kernel and initrd take, if they follow each other.
uint64_t memory_end(const SetupHeader& header, const std::optional<Image>& initrd) {
    return header.preferred_address + header.init_size + (initrd ? initrd->bytes.size() + 0xfff : 0);
}

// The highest page-aligned place below both limits and above the kernel.
Result<uint64_t> place_initrd(const Image& initrd, const SetupHeader& header, const MemoryLayout& layout) {
    const uint64_t top = std::min(layout.below_4g, header.initrd_limit + 1);
    const uint64_t kernel_end = header.preferred_address + header.init_size;
    const uint64_t size = initrd.bytes.size();
    const uint64_t room = top > kernel_end ? top - kernel_end : 0;
    if (size + 0xfff > room) {
        const uint64_t end = memory_end(header, initrd);
        return fail(
            "initrd {}: {} bytes, but only {} are free between the kernel's end at {:#x} and {:#x}: {}",
            initrd.path, size, room, kernel_end, top,
            end > header.initrd_limit ? "the kernel takes no higher initrd" : advice(end));
    }
    return (top - size) & ~uint64_t{0xfff};
}

Result<void> write_parameters(const LinuxImages& images, const SetupHeader& header,
                              const MemoryLayout& layout, GuestMemory& memory) {
    std::vector<uint8_t> parameters(4096);
    const size_t header_bytes = header.end - kSetupSectors;
    std::memcpy(parameters.data() + kSetupSectors, images.kernel.bytes.data() + kSetupSectors, header_bytes);
    parameters[kLoaderType] = kUndefinedLoader;
    store(parameters, kCommandLinePointer, static_cast<uint32_t>(kCommandLine));
    write_e820(parameters, layout);
    if (images.initrd) {
        const auto address = place_initrd(*images.initrd, header, layout);
        if (!address) return Unexpected(address.error());
        store(parameters, kRamdiskImage, static_cast<uint32_t>(*address));
        store(parameters, kRamdiskSize, static_cast<uint32_t>(images.initrd->bytes.size()));
        if (!memory.write(Gpa(*address), images.initrd->bytes)) {
            return fail("initrd {}: no memory at {:#x}", images.initrd->path, *address);
        }
    }
    std::vector<uint8_t> command_line(images.command_line.begin(), images.command_line.end());
    command_line.push_back(0);
    if (!memory.write(Gpa(kBootParameters), parameters) || !memory.write(Gpa(kCommandLine), command_line)) {
        return fail("the machine has no memory below 640 KiB");
    }
    return {};
}

}  // namespace

Result<BootState> load_linux(const LinuxImages& images, const MemoryLayout& layout, GuestMemory& memory) {
    const auto header = read_header(images.kernel);
    if (!header) return Unexpected(header.error());
    const uint64_t command_line_limit = std::min<uint64_t>(header->command_line_size, 0xffff);
    if (images.command_line.size() > command_line_limit) {
        return fail("kernel command line: {} characters, the kernel takes at most {}",
                    images.command_line.size(), command_line_limit);
    }
    const uint64_t kernel_end = header->preferred_address + header->init_size;
    if (kernel_end > layout.below_4g) {
        return fail("kernel {}: needs memory up to {:#x}, the machine has {:#x} bytes below 4 GiB: {}",
                    images.kernel.path, kernel_end, layout.below_4g,
                    advice(memory_end(*header, images.initrd)));
    }
    const auto kernel = std::span(images.kernel.bytes).subspan(header->setup_bytes);
    if (!memory.write(Gpa(header->preferred_address), kernel)) {
        return fail("kernel {}: its {} bytes do not fit at {:#x}", images.kernel.path, kernel.size(),
                    header->preferred_address);
    }
    if (auto written = write_parameters(images, *header, layout, memory); !written) {
        return Unexpected(written.error());
    }
    if (!write_page_tables(memory) || !write_gdt(memory)) return fail("no memory below 640 KiB");

    BootState boot{Gpa(header->preferred_address + kEntryOffset),
                   vmx::GuestEntryState::long_mode(kPageTables)};
    boot.registers.gdtr = {kGdt, kGdtBytes - 1};
    boot.registers.idtr = {0, 0};
    boot.registers.gprs[static_cast<unsigned>(x86::Gpr::RSI)] = kBootParameters;
    boot.registers.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = kStack;
    return boot;
}

}  // namespace vtless::vmm
