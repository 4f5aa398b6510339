// SPDX-License-Identifier: MIT
#include "vmm/kvm_run.h"

#include <memory>
#include <utility>

#include "traces/recorder.h"
#include "traces/trace_file.h"
#include "vcpu/kvm/failure.h"
#include "vmm/kvm_machine_cpu.h"
#include "vmm/loaders/firmware.h"
#include "vmm/memory/mapped_memory.h"

namespace vtless::vmm {

namespace {

// By the option that asks for it.
Result<void> check_possible(const GuestRunConfig& config) {
    const std::pair<const char*, bool> impossible[] = {
        {"--max-cycles: KVM has no simulated cycles", config.limits.max_cycles != kNever},
        {"--dump-vmcs: KVM shows no VMCS", !config.dump_vmcs.empty()},
        {"--flush-seed: KVM has no engine", config.processor.engine.flush_seed != 0},
        {"--sanitize: KVM shows no VMX instructions", config.processor.sanitizer != nullptr},
        {"--profile-cycles: KVM has no simulated cycles", config.processor.engine.profile != nullptr},
    };
    for (const auto& [what, asked] : impossible)
        if (asked) return fail("not on --backend kvm: {}", what);
    return {};
}

struct DescribedMachine {
    bool has_apic = false;
    vmx::CpuidHook inner;
};

// The machine has no local APIC but the kernel's, the guest is not told that it could ask KVM for a clock,
// and addresses end where the machine's do. SDM Vol. 2A "CPUID" (leaf 80000008H): EAX[7:0].
void describe_machine(void* context, uint32_t leaf, uint32_t subleaf, x86::CpuidResult& result) {
    namespace cpuid = x86::cpuid;
    const auto& machine = *static_cast<const DescribedMachine*>(context);
    if (leaf == cpuid::kFeatures && !machine.has_apic) result.edx &= ~cpuid::leaf1_edx::APIC;
    if (leaf >= cpuid::kHypervisorVendor && leaf < cpuid::kHypervisorVendor + 0x100) result = {};
    constexpr uint32_t kBits = 0xff;
    if (leaf == cpuid::kAddressSizes && (result.eax & kBits) > kPhysicalBits)
        result.eax = (result.eax & ~kBits) | kPhysicalBits;
    const vmx::CpuidHook& inner = machine.inner;
    if (inner.function != nullptr) inner.function(inner.context, leaf, subleaf, result);
}

Error describe_failure(const char* what, const VCpuError& error) {
    return {fmt::format("{}: {}", what, kvm::describe(error))};
}

kvm::ApicIn apics_of(const GuestRunConfig& config) {
    return config.local_apic == LocalApicKind::Kernel ? kvm::ApicIn::Kernel : kvm::ApicIn::UserSpace;
}

struct Parts {
    MappedMemory& memory;
    kvm::Vm& vm;
    Board& board;
    const BootState& boot;
};

// Writes a line of the trace for each exit.
struct KvmTraceSink {
    void operator()(kvm::KvmVCpu& arch, const VmExit& exit) const {
        traces::Observation seen;
        if (const auto now = arch.read_exit_state()) {
            seen.before = now->before;
            seen.rip = now->state.rip;
            seen.rflags = now->state.rflags;
            seen.cr0 = now->state.cr0;
            seen.cr3 = now->state.cr3;
            seen.cr4 = now->state.cr4;
            seen.gprs = now->state.gprs;
        } else {
            seen.unread = true;
            writer->note("registers: " + kvm::describe(now.error()));
        }
        writer->write(exit, seen);
    }
    traces::TraceWriter* writer = nullptr;
};

using RecordedKvmVCpu = traces::Recorder<kvm::KvmVCpu, KvmTraceSink>;

template <class A>
Result<GuestRunResult> run_as(const GuestRunConfig& config, const Parts& parts,
                              const typename A::CreateConfig& create) {
    PhysCpu phys_cpu(0);
    auto vcpu = VCpu<A>::create(phys_cpu, {}, create);
    if (!vcpu) return Unexpected(describe_failure("the virtual CPU cannot be made", vcpu.error()));
    kvm::SetupConfig setup;
    setup.entry_state = parts.boot.registers;
    setup.mmio = device_ranges(parts.memory.guest());
    if (config.local_apic == LocalApicKind::Kernel)
        setup.mmio = ranges_without(setup.mmio, {Gpa(x86::apic_base::kDefaultAddress), 4096});
    DescribedMachine described{config.local_apic == LocalApicKind::Kernel, config.cpuid_hook};
    setup.cpuid_hook = {describe_machine, &described};
    auto ready = vcpu->setup(parts.boot.entry, parts.memory.ept_root(), setup);
    if (ready) ready = vcpu->bind();
    if (!ready) return Unexpected(describe_failure("the virtual CPU cannot be set up", ready.error()));

    KvmMachineCpu<A> cpu(*vcpu, parts.memory.guest());
    Machine machine(parts.board, parts.memory.guest(), cpu);
    GuestRunResult result;
    result.outcome = machine.run(config.limits);
    if (result.outcome.error) result.outcome.error_text = kvm::describe(*result.outcome.error);
    for (CharacterOutput* output : {&parts.board.debug_console(), &parts.board.serial()}) {
        if (auto written = output->finish(); !written) return Unexpected(written.error());
    }
    result.statistics = machine.statistics();
    if (result.outcome.guest_failed()) result.state = describe(cpu.processor_state());
    return result;
}

Result<GuestRunResult> run_vcpu(const GuestRunConfig& config, const Parts& parts) {
    if (config.trace.empty()) return run_as<kvm::KvmVCpu>(config, parts, {&parts.vm});
    auto writer = traces::TraceWriter::create(config.trace, kvm::KvmVCpu::capabilities(apics_of(config)));
    if (!writer) return fail("{}", writer.error());
    auto result = run_as<RecordedKvmVCpu>(config, parts, {{&parts.vm}, {&*writer}});
    if (!writer->close()) return fail("trace {}: could not be written completely", config.trace);
    return result;
}

}  // namespace

Result<GuestRunResult> run_guest_on_kvm(const GuestRunConfig& config, const GuestImages& images) {
    if (auto possible = check_possible(config); !possible) return Unexpected(possible.error());
    auto outputs = open_outputs(config);
    if (!outputs) return Unexpected(outputs.error());
    const MemoryLayout layout(config.memory);
    auto memory = MappedMemory::create(layout, images.rom_bytes());
    if (!memory) return Unexpected(memory.error());
    if (auto mapped = memory->map_guest(layout, images.rom_bytes()); !mapped)
        return Unexpected(mapped.error());
    kvm::VmConfig vm_config;
    vm_config.memory = kvm::HostMemoryMap::of(memory->host());
    vm_config.local_apics = apics_of(config);
    auto vm = kvm::Vm::create(vm_config);
    if (!vm) return Unexpected(describe_failure("KVM cannot be used", vm.error()));
    const auto boot = load_guest(config, images, memory->guest());
    if (!boot) return Unexpected(boot.error());

    Board board(std::move(*outputs));
    RomDevice rom_device(memory->guest());
    const uint64_t rom = images.rom_bytes();
    if (rom != 0) VTLESS_CHECK(board.mmio().attach(firmware_base(rom), rom, rom_device));
    return run_vcpu(config, {*memory, **vm, board, *boot});
}

}  // namespace vtless::vmm
