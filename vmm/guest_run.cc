// SPDX-License-Identifier: MIT
#include "vmm/guest_run.h"

#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "explain/dump.h"
#include "sim/sanitizer/sanitizer.h"
#include "traces/recorder.h"
#include "traces/trace_file.h"
#include "vcpu/vmx/failure.h"
#include "vmm/loaders/firmware.h"
#include "vmm/loaders/flat.h"
#include "vmm/loaders/linux.h"
#include "vmm/sim_platform.h"
#include "vmm/vmx_machine_cpu.h"

namespace vtless::vmm {

namespace {

// Guest-physical addresses that the processor has: 40 bits.
constexpr uint64_t kPhysicalEnd = uint64_t{1} << 40;

// The guest's files, read and checked as far as that goes without memory.
struct GuestImages {
    std::optional<Image> firmware;
    std::optional<Image> flat;
    std::optional<LinuxImages> linux_images;
};

// Reads of ROM by instructions that also write; what they write is lost.
class RomDevice final : public MmioDevice {
  public:
    explicit RomDevice(const GuestMemory& memory) : memory_(memory) {}
    uint64_t read_mmio(Gpa address, AccessWidth width) override {
        std::array<uint8_t, 8> bytes{};
        if (!memory_.read(address, std::span(bytes).first(vtless::bytes(width)))) return ~uint64_t{0};
        uint64_t value = 0;
        for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{bytes[i]} << (8 * i);
        return value;
    }
    void write_mmio(Gpa, AccessWidth, uint64_t) override {}

  private:
    const GuestMemory& memory_;
};

// Findings of the sanitizer as notes of a trace, each when it is made.
class NotedFindings {
  public:
    explicit NotedFindings(const sim::Sanitizer* sanitizer) : sanitizer_(sanitizer) {}

    void write_new(traces::TraceWriter& writer) {
        if (sanitizer_ == nullptr) return;
        for (; written_ < sanitizer_->findings().size(); ++written_) {
            writer.note("sanitizer: " + sim::describe(sanitizer_->findings()[written_]));
        }
    }

  private:
    const sim::Sanitizer* sanitizer_;
    size_t written_ = 0;
};

// Writes a line of the trace for each exit.
struct TraceSink {
    void operator()(SimVmxVCpu& arch, const VmExit& exit) const {
        findings->write_new(*writer);
        const ExitRegisters registers = read_exit_registers(arch);
        const vmx::RawVmxExit raw = arch.raw_exit();
        writer->write(
            exit, {processor->engine().cycles(), raw.exit_reason.raw, raw.exit_qualification, registers.rip,
                   registers.rflags, registers.cr0, registers.cr3, registers.cr4, registers.gprs});
    }
    traces::TraceWriter* writer = nullptr;
    sim::VmxProcessor* processor = nullptr;
    NotedFindings* findings = nullptr;
};

using RecordedVCpu = traces::Recorder<SimVmxVCpu, TraceSink>;

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

Result<BootState> load(const GuestRunConfig& config, const GuestImages& images, GuestMemory& memory) {
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
    return BoardConfig{MemoryLayout(config.memory), std::move(*debug_console), std::move(*serial)};
}

// Everything that is not memory is a device's, or nobody's.
vmx::SetupConfig setup_config(const BootState& boot, const GuestMemory& memory) {
    vmx::SetupConfig config;
    config.entry_state = boot.registers;
    uint64_t end = 0;
    auto add = [&config](uint64_t first, uint64_t last) {
        if (last > first) VTLESS_CHECK(config.mmio.push_back({Gpa(first), last - first}));
    };
    for (const MemoryRegion& region : memory.regions()) {
        // Writes to ROM are a device's too.
        add(end, region.writable ? region.first.value() : region.first.value() + region.size);
        end = region.first.value() + region.size;
    }
    add(end, kPhysicalEnd);
    return config;
}

Error describe_failure(const char* what, const VCpuError& error) {
    char text[256];
    vmx::describe(error, text, sizeof text);
    return {fmt::format("{}: {}", what, text)};
}

// As a VM entry that failed found it, or as it is.
Result<void> dump_vmcs(const std::string& path, const sim::VmxProcessor& processor) {
    const std::unique_ptr<sim::Vmcs> current = processor.copy_vmcs();
    const sim::EntryRefusal* refused = processor.last_entry_failure();
    const sim::Vmcs& vmcs = refused != nullptr ? refused->vmcs() : *current;
    std::ofstream file(path, std::ios::binary);
    file << explain::write_json(explain::dump_of(vmcs, processor.host_state().ia32e()));
    if (!file.flush()) return fail("VMCS dump {}: could not be written completely", path);
    return {};
}

template <class A>
Result<GuestRunResult> run_as(const GuestRunConfig& config, SimPlatform& platform, Board& board,
                              const BootState& boot, const typename A::CreateConfig& create) {
    auto vcpu = VCpu<A>::create(platform.phys_cpu(), {}, create);
    if (!vcpu) return Unexpected(describe_failure("the virtual CPU cannot be made", vcpu.error()));
    vmx::SetupConfig setup = setup_config(boot, platform.guest_memory());
    setup.cpuid_hook = config.cpuid_hook;
    auto ready = vcpu->setup(boot.entry, platform.ept_root(), setup);
    if (ready) ready = vcpu->bind();
    if (!ready) return Unexpected(describe_failure("the virtual CPU cannot be set up", ready.error()));

    VmxMachineCpu<A> cpu(*vcpu, platform.processor());
    static_assert(MachineCpu<VmxMachineCpu<A>>);
    Machine machine(board, platform.guest_memory(), cpu);
    GuestRunResult result;
    result.outcome = machine.run(config.limits);
    for (CharacterOutput* output : {&board.debug_console(), &board.serial()}) {
        if (auto written = output->finish(); !written) return Unexpected(written.error());
    }
    result.statistics = machine.statistics();
    if (!config.dump_vmcs.empty()) {
        if (auto written = dump_vmcs(config.dump_vmcs, platform.processor()); !written)
            return Unexpected(written.error());
    }
    if (result.outcome.guest_failed()) result.state = describe(cpu.processor_state());
    return result;
}

Result<GuestRunResult> run_traced(const GuestRunConfig& config, SimPlatform& platform, Board& board,
                                  const BootState& boot) {
    auto writer = traces::TraceWriter::create(config.trace);
    if (!writer) return fail("{}", writer.error());
    NotedFindings findings(config.processor.sanitizer);
    const RecordedVCpu::CreateConfig create{{&platform.processor()},
                                            {&*writer, &platform.processor(), &findings}};
    auto result = run_as<RecordedVCpu>(config, platform, board, boot, create);
    findings.write_new(*writer);
    if (!writer->close()) return fail("trace {}: could not be written completely", config.trace);
    return result;
}

}  // namespace

Result<GuestRunResult> run_guest(const GuestRunConfig& config) {
    if (config.memory < GuestRunConfig::kMinimumMemory || config.memory > GuestRunConfig::kMaximumMemory ||
        config.memory % 4096 != 0) {
        return fail("memory of {} bytes: expected a multiple of 4 KiB from 1 MiB to 16 GiB", config.memory);
    }
    GuestImages images;
    if (auto read = std::visit(ReadImages{images}, config.guest); !read) {
        return Unexpected(read.error());
    }
    auto outputs = open_outputs(config);
    if (!outputs) return Unexpected(outputs.error());
    const uint64_t rom = images.firmware ? images.firmware->bytes.size() : 0;
    auto platform = SimPlatform::create(MemoryLayout(config.memory), rom, config.processor);
    if (!platform) return Unexpected(platform.error());
    GuestMemory& memory = (*platform)->guest_memory();
    const auto boot = load(config, images, memory);
    if (!boot) return Unexpected(boot.error());

    Board board(std::move(*outputs));
    RomDevice rom_device(memory);
    if (rom != 0) VTLESS_CHECK(board.mmio().attach(firmware_base(rom), rom, rom_device));
    if (!config.trace.empty()) return run_traced(config, **platform, board, *boot);
    return run_as<SimVmxVCpu>(config, **platform, board, *boot, {&(*platform)->processor()});
}

}  // namespace vtless::vmm
