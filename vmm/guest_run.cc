// SPDX-License-Identifier: MIT
#include "vmm/guest_run.h"

#include <fstream>
#include <memory>
#include <utility>

#include "explain/dump.h"
#include "sim/sanitizer/sanitizer.h"
#include "traces/recorder.h"
#include "traces/trace_file.h"
#include "vcpu/vmx/failure.h"
#include "vmm/guest_parts.h"
#include "vmm/kvm_run.h"
#include "vmm/loaders/firmware.h"
#include "vmm/sim_platform.h"
#include "vmm/vmx_machine_cpu.h"

namespace vtless::vmm {

namespace {

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
        const StandingClock clock(processor->engine());
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

vmx::SetupConfig setup_config(const BootState& boot, const GuestMemory& memory) {
    vmx::SetupConfig config;
    config.entry_state = boot.registers;
    for (const vmx::MmioRange& range : device_ranges(memory)) VTLESS_CHECK(config.mmio.push_back(range));
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
    platform.processor().settle_profile();
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
    auto writer = traces::TraceWriter::create(config.trace, SimVmxVCpu::capabilities());
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
    const auto images = read_guest(config);
    if (!images) return Unexpected(images.error());
    if (config.backend == BackendKind::Kvm) return run_guest_on_kvm(config, *images);
    auto outputs = open_outputs(config);
    if (!outputs) return Unexpected(outputs.error());
    const uint64_t rom = images->rom_bytes();
    auto platform = SimPlatform::create(MemoryLayout(config.memory), rom, config.processor);
    if (!platform) return Unexpected(platform.error());
    GuestMemory& memory = (*platform)->guest_memory();
    const auto boot = load_guest(config, *images, memory);
    if (!boot) return Unexpected(boot.error());

    Board board(std::move(*outputs));
    RomDevice rom_device(memory);
    if (rom != 0) VTLESS_CHECK(board.mmio().attach(firmware_base(rom), rom, rom_device));
    if (!config.trace.empty()) return run_traced(config, **platform, board, *boot);
    return run_as<SimVmxVCpu>(config, **platform, board, *boot, {&(*platform)->processor()});
}

}  // namespace vtless::vmm
