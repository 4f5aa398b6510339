// SPDX-License-Identifier: MIT
#include "bench/exact/boot_slice.h"

#include <array>

#include "bench/exact/counted_guest.h"
#include "vmm/digest.h"
#include "vmm/guest_parts.h"
#include "vmm/loaders/firmware.h"
#include "vmm/machine.h"
#include "vmm/sim_platform.h"
#include "vmm/vmx_machine_cpu.h"

namespace vtless::bench {

namespace {

constexpr uint64_t kMemory = 16u << 20;

struct Slice {
    const char* name;
    const char* image;
    uint64_t exits;
};
// From the reset vector: the first messages, most of the devices, nearly all.
constexpr std::array<Slice, 3> kSlices = {{{"seabios_100_exits", "bios-256k.bin", 100},
                                           {"seabios_1000_exits", "bios-256k.bin", 1000},
                                           {"seabios_3000_exits", "bios-256k.bin", 3000}}};

// Without digests, whose VMREADs are not the hypervisor's.
class CountedCpu : public vmm::VmxMachineCpu<vmm::SimVmxVCpu> {
  public:
    using VmxMachineCpu::VmxMachineCpu;
    static constexpr bool kRepeatable = false;
};

Counts totals(sim::VmxProcessor& processor, const sim::VmxCounts& vmx) {
    return {processor.rdtsc(), processor.engine().instructions(), processor.mmu().counters(), vmx};
}

// As vmm::run_guest, but what the processor counted can be asked for.
vmm::Result<std::map<std::string, double>> run(const vmm::GuestRunConfig& config, const sim::VmxCounts& vmx) {
    const auto images = vmm::read_guest(config);
    if (!images) return Unexpected(images.error());
    auto outputs = vmm::open_outputs(config);
    if (!outputs) return Unexpected(outputs.error());
    const uint64_t rom = images->rom_bytes();
    auto platform = vmm::SimPlatform::create(vmm::MemoryLayout(config.memory), rom, config.processor);
    if (!platform) return Unexpected(platform.error());
    vmm::GuestMemory& memory = (*platform)->guest_memory();
    const auto boot = vmm::load_guest(config, *images, memory);
    if (!boot) return Unexpected(boot.error());
    vmm::Board board(std::move(*outputs));
    vmm::RomDevice rom_device(memory);
    VTLESS_CHECK(board.mmio().attach(vmm::firmware_base(rom), rom, rom_device));

    sim::VmxProcessor& processor = (*platform)->processor();
    auto vcpu = VCpu<vmm::SimVmxVCpu>::create((*platform)->phys_cpu(), {}, {&processor, 0, {}});
    vmx::SetupConfig setup;
    setup.entry_state = boot->registers;
    for (const vmx::MmioRange& range : vmm::device_ranges(memory)) VTLESS_CHECK(setup.mmio.push_back(range));
    VTLESS_CHECK(vcpu && vcpu->setup(boot->entry, (*platform)->ept_root(), setup) && vcpu->bind());
    const Counts before = totals(processor, vmx);
    CountedCpu cpu(*vcpu, processor);
    vmm::Machine machine(board, memory, cpu);
    const vmm::Outcome outcome = machine.run(config.limits);
    if (outcome.kind != vmm::Outcome::Kind::MaxExits) return vmm::fail("{}", vmm::describe(outcome));
    return per_operation(before, totals(processor, vmx), 1);
}

std::string name_of(const Slice& slice, const vmm::Image& image) {
    vmm::Hasher hasher;
    hasher.add(image.bytes);
    return fmt::format("{}@{:016x}", slice.name, hasher.value());
}

}  // namespace

std::vector<BootSlice> boot_slices() {
    std::vector<BootSlice> slices;
    for (const Slice& each : kSlices) {
        const std::string path = std::string(VTLESS_GUESTS) + '/' + each.image;
        const auto image = vmm::read_image("firmware image", path, vmm::kMaximumFirmware);
        if (image) slices.push_back({name_of(each, *image), path, each.exits});
    }
    return slices;
}

vmm::Result<std::map<std::string, double>> count(const BootSlice& slice) {
    sim::VmxCounts vmx;
    vmm::GuestRunConfig config;
    config.guest = vmm::FirmwareGuest{slice.image};
    config.memory = kMemory;
    config.limits.max_exits = slice.exits;
    config.processor.counts = &vmx;
    return run(config, vmx);
}

}  // namespace vtless::bench
