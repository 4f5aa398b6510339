// SPDX-License-Identifier: MIT
#include "vmm/root_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "sim/vmx/root_code.h"
#include "vmm/character_output.h"
#include "vmm/devices/debug_ports.h"
#include "vmm/loaders/firmware.h"
#include "vmm/memory/ept_table.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/outcome.h"
#include "vmm/processor_state.h"

namespace vtless::vmm {

namespace {

using sim::RootStop;
constexpr uint64_t kFrame = sim::HostMemory::kFrameSize;
constexpr uint64_t kLowRom = uint64_t{128} << 10;

// RAM begins at physical address 0. Behind it, where the image's code cannot reach, are the ROM's frames and
// the EPT that says what is where.
class PhysicalMemory {
  public:
    static Result<std::unique_ptr<PhysicalMemory>> create(uint64_t ram, const Image& rom) {
        const uint64_t tables = (uint64_t{1} << 20) + ram / 256;
        auto memory = sim::HostMemory::create(ram + rom.bytes.size() + tables);
        if (!memory) return fail("cannot reserve {} bytes of memory: {}", ram, std::strerror(memory.error()));
        std::unique_ptr<PhysicalMemory> all(new PhysicalMemory(std::move(*memory)));
        if (!all->map(ram, rom)) return fail("cannot map {} bytes of memory", ram);
        return all;
    }

    sim::HostMemory& memory() { return memory_; }
    uint64_t eptp() const { return x86::Eptp::make(map_->root().value()).raw; }

  private:
    explicit PhysicalMemory(sim::HostMemory&& memory) : memory_(std::move(memory)) {}

    // The end of the ROM lies where real mode finds it, and below 4 GiB once more.
    bool map(uint64_t ram, const Image& image) {
        using Layout = MemoryLayout;
        const uint64_t size = image.bytes.size();
        const uint64_t low = std::min(size, kLowRom);
        const Hpa low_rom(Layout::kOneMiB - low);
        const uint64_t rest = size - low;
        Hpa first;
        Hpa upper_rom;
        if (!memory_.allocate_frames(ram / kFrame - 1, kFrame, first) || first != Hpa(kFrame)) return false;
        if (rest != 0 && !memory_.allocate_frames(rest / kFrame, kFrame, upper_rom)) return false;
        std::copy(image.bytes.begin(), image.bytes.end() - static_cast<ptrdiff_t>(low),
                  memory_.map(upper_rom));
        std::copy(image.bytes.end() - static_cast<ptrdiff_t>(low), image.bytes.end(), memory_.map(low_rom));
        auto table = EptTable<sim::HostMemory>::create(memory_);
        if (!table) return false;
        map_.emplace(std::move(*table));
        return ram_at(0, Layout::kVideoStart) && ram_at(Layout::kVideoEnd, low_rom.value()) &&
               ram_at(Layout::kOneMiB, ram) && rom_at(low_rom.value(), low_rom, low) &&
               rom_at(Layout::kFourGiB - size, upper_rom, rest) &&
               rom_at(Layout::kFourGiB - low, low_rom, low);
    }
    bool ram_at(uint64_t first, uint64_t end) { return map_->map({Gpa(first), Hpa(first), end - first}); }
    bool rom_at(uint64_t first, Hpa frames, uint64_t size) {
        return map_->map({Gpa(first), frames, size, x86::ept::READ | x86::ept::EXECUTE});
    }

    sim::HostMemory memory_;
    std::optional<EptTable<sim::HostMemory>> map_;
};

struct Ports {
    explicit Ports(CharacterOutput&& output) : characters(std::move(output)) {
        console.attach(bus);
        bus.attach({0xe9, 1}, console);
        debug_exit.attach(bus);
        shutdown.attach(bus);
        reset.attach(bus);
        post_code.attach(bus);
    }

    CharacterOutput characters;
    PowerControl power;
    PortBus bus;
    DebugConsole console{characters};
    DebugExit debug_exit{power};
    ShutdownPort shutdown{power};
    ResetControl reset{power};
    PostCode post_code;
};

void access_port(const RootStop& stop, Ports& ports, sim::RootCode& code) {
    const auto width = static_cast<AccessWidth>(stop.bytes);
    uint32_t value = 0;
    if (stop.in) {
        value = ports.bus.read(stop.port, width);
    } else {
        ports.bus.write(stop.port, width, stop.value);
    }
    code.finish_port_access(value);
}

std::string describe_end(const RootStop& stop) {
    using Kind = RootStop::Kind;
    switch (stop.kind) {
        case Kind::PortAccess:
            break;
        case Kind::Halted:
            return stop.in_guest ? "a guest halted and nothing is left that would ever wake it"
                                 : "the image halted and nothing is left that would ever wake it";
        case Kind::TripleFault:
            return "the image triple-faulted in root operation";
        case Kind::VmxAbort:
            return fmt::format("VMX abort {}: {}", stop.detail, stop.what);
        case Kind::NoMemory:
            return fmt::format("access to physical address {:#x}, where no memory is, or a store to ROM",
                               stop.detail);
        case Kind::Unsupported:
            return fmt::format("{} in root operation, which is not implemented", stop.what);
        case Kind::LimitReached:
            return "the limit of cycles is reached";
    }
    return "?";
}

ProcessorState read_state(sim::VmxProcessor& processor) {
    const sim::CpuState& cpu = processor.engine().state();
    ProcessorState state;
    for (unsigned i = 0; i < x86::kGprCount; ++i) state.gprs[i] = cpu.gpr(static_cast<x86::Gpr>(i));
    state.rip = cpu.rip();
    state.rflags = cpu.rflags();
    state.cr0 = cpu.cr0();
    state.cr2 = cpu.cr2();
    state.cr3 = cpu.cr3();
    state.cr4 = cpu.cr4();
    state.efer = cpu.efer();
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i)
        state.segments[i] = cpu.segment(static_cast<x86::SegmentRegister>(i));
    state.gdtr = cpu.gdtr();
    state.idtr = cpu.idtr();
    std::array<std::byte, 16> code{};
    size_t fetched = 0;
    const auto fetch = sim::Access::supervisor(sim::AccessType::Fetch);
    (void)processor.mmu().fetch(Gva(cpu.linear_rip()), code, fetch, fetched);
    for (size_t i = 0; i < fetched; ++i) state.code.push_back(static_cast<uint8_t>(code[i]));
    if (const EntryExplanation* why = processor.entry_explanation()) state.note = describe(*why);
    return state;
}

// Until the image asks for an end, or cannot go on.
RootMachineResult run(sim::VmxProcessor& processor, sim::RootCode& code, Ports& ports) {
    RootMachineResult result;
    while (!ports.power.pending()) {
        const RootStop& stop = code.run();
        if (stop.kind != RootStop::Kind::PortAccess) {
            result.text = describe_end(stop);
            result.failed = stop.kind != RootStop::Kind::LimitReached &&
                            (stop.kind != RootStop::Kind::Halted || stop.in_guest);
            break;
        }
        access_port(stop, ports, code);
    }
    result.request = ports.power.pending();
    if (result.request) result.text = describe(Outcome::asked(*result.request));
    if (result.failed) result.state = describe(read_state(processor));
    result.cycles = processor.engine().cycles();
    result.entries = code.entries();
    return result;
}

}  // namespace

Result<RootMachineResult> run_root_machine(const RootMachineConfig& config) {
    if (config.memory < RootMachineConfig::kMinimumMemory ||
        config.memory > RootMachineConfig::kMaximumMemory || config.memory % kFrame != 0)
        return fail("memory of {} bytes: expected a multiple of 4 KiB from 2 MiB to 3 GiB", config.memory);
    const auto image = read_image("ROM image", config.image, kMaximumFirmware);
    if (!image) return Unexpected(image.error());
    if (auto checked = check_firmware(*image); !checked) return Unexpected(checked.error());
    auto output = CharacterOutput::open(config.debug_console);
    if (!output) return Unexpected(output.error());
    auto memory = PhysicalMemory::create(config.memory, *image);
    if (!memory) return Unexpected(memory.error());
    auto processor = sim::VmxProcessor::create((*memory)->memory(), config.processor);
    if (!processor) return fail("the simulated processor cannot start: {}", processor.error());
    sim::RootCode code(**processor, (*memory)->eptp());
    if (config.max_cycles != ~uint64_t{0}) code.set_limit(config.max_cycles);
    Ports ports(std::move(*output));
    RootMachineResult result = run(**processor, code, ports);
    (*processor)->settle_profile();
    if (auto written = ports.characters.finish(); !written) return Unexpected(written.error());
    return result;
}

}  // namespace vtless::vmm
