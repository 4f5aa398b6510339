// SPDX-License-Identifier: MIT
#include "vmm/guest_parts.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <variant>

#include "vmm/loaders/firmware.h"
#include "vmm/loaders/flat.h"

namespace vtless::vmm {

namespace {

constexpr uint64_t kPhysicalEnd = uint64_t{1} << kPhysicalBits;

// Whether what is read fits into the machine's memory is for the loaders to say.
struct ReadImages {
    GuestImages& images;

    Result<void> operator()(const FirmwareGuest& guest) {
        auto image = read_image("firmware image", guest.image, kMaximumFirmware);
        if (!image) return Unexpected(image.error());
        images.firmware = std::move(*image);
        return check_firmware(*images.firmware);
    }
    Result<void> operator()(const FlatGuest& guest) {
        auto image = read_image("flat image", guest.image, MemoryLayout::kLowLimit);
        if (!image) return Unexpected(image.error());
        images.flat = std::move(*image);
        return {};
    }
    Result<void> operator()(const LinuxGuest& guest) {
        auto kernel = read_image("kernel", guest.kernel, MemoryLayout::kLowLimit);
        if (!kernel) return Unexpected(kernel.error());
        images.linux_images = LinuxImages{std::move(*kernel), std::nullopt, guest.command_line};
        if (guest.initrd.empty()) return {};
        auto initrd = read_image("initrd", guest.initrd, MemoryLayout::kLowLimit);
        if (!initrd) return Unexpected(initrd.error());
        images.linux_images->initrd = std::move(*initrd);
        return {};
    }
};

}  // namespace

Result<GuestImages> read_guest(const GuestRunConfig& config) {
    if (config.memory < GuestRunConfig::kMinimumMemory || config.memory > GuestRunConfig::kMaximumMemory ||
        config.memory % 4096 != 0) {
        return fail("memory of {} bytes: expected a multiple of 4 KiB from 1 MiB to 16 GiB", config.memory);
    }
    GuestImages images;
    if (auto read = std::visit(ReadImages{images}, config.guest); !read) return Unexpected(read.error());
    return images;
}

Result<BootState> load_guest(const GuestRunConfig& config, const GuestImages& images, GuestMemory& memory) {
    if (images.firmware) return load_firmware(*images.firmware, memory);
    if (images.linux_images) return load_linux(*images.linux_images, MemoryLayout(config.memory), memory);
    const auto& guest = std::get<FlatGuest>(config.guest);
    return load_flat(*images.flat, guest.load, guest.entry, memory);
}

Result<BoardConfig> open_outputs(const GuestRunConfig& config) {
    auto debug_console = CharacterOutput::open(config.debug_console);
    if (!debug_console) return Unexpected(debug_console.error());
    auto serial = CharacterOutput::open(config.serial);
    if (!serial) return Unexpected(serial.error());
    if (!config.until.empty()) {
        debug_console->watch_for(config.until);
        serial->watch_for(config.until);
    }
    return BoardConfig{MemoryLayout(config.memory), std::move(*debug_console), std::move(*serial),
                       config.tsc_hz};
}

std::vector<vmx::MmioRange> device_ranges(const GuestMemory& memory) {
    std::vector<vmx::MmioRange> ranges;
    uint64_t end = 0;
    auto add = [&ranges](uint64_t first, uint64_t last) {
        if (last > first) ranges.push_back({Gpa(first), last - first});
    };
    for (const MemoryRegion& region : memory.regions()) {
        add(end, region.writable ? region.first.value() : region.first.value() + region.size);
        end = region.first.value() + region.size;
    }
    add(end, kPhysicalEnd);
    return ranges;
}

std::vector<vmx::MmioRange> ranges_without(const std::vector<vmx::MmioRange>& ranges,
                                           const vmx::MmioRange& hole) {
    std::vector<vmx::MmioRange> left;
    const auto add = [&left](Gpa first, Gpa end) {
        if (first < end) left.push_back({first, end - first});
    };
    for (const vmx::MmioRange& range : ranges) {
        const Gpa end = range.base + range.bytes;
        add(range.base, std::min(end, hole.base));
        add(std::max(range.base, hole.base + hole.bytes), end);
    }
    return left;
}

uint64_t RomDevice::read_mmio(Gpa address, AccessWidth width) {
    std::array<uint8_t, 8> bytes{};
    if (!memory_.read(address, std::span(bytes).first(vtless::bytes(width)))) return ~uint64_t{0};
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{bytes[i]} << (8 * i);
    return value;
}

}  // namespace vtless::vmm
