// SPDX-License-Identifier: MIT
#include "vmm/kvm_run.h"

#include <memory>
#include <utility>
#include <variant>

#include "vcpu/kvm/failure.h"
#include "vmm/kvm_machine_cpu.h"
#include "vmm/loaders/firmware.h"
#include "vmm/memory/mapped_memory.h"

namespace vtless::vmm {

namespace {

// By the option that asks for it.
Result<void> check_possible(const GuestRunConfig& config) {
    const std::pair<const char*, bool> impossible[] = {
        {"--kernel: the machine has no local APIC, and KVM's own clock and APIC are not offered",
         std::holds_alternative<LinuxGuest>(config.guest)},
        {"--max-cycles: KVM has no simulated cycles", config.limits.max_cycles != kNever},
        {"--trace: KVM shows no exit fields", !config.trace.empty()},
        {"--dump-vmcs: KVM shows no VMCS", !config.dump_vmcs.empty()},
        {"--flush-seed: KVM has no engine", config.processor.engine.flush_seed != 0},
        {"--sanitize: KVM shows no VMX instructions", config.processor.sanitizer != nullptr},
    };
    for (const auto& [what, asked] : impossible)
        if (asked) return fail("not on --backend kvm: {}", what);
    return {};
}

// There is no local APIC, and the guest is not told that it could ask KVM for a clock.
void hide_apic_and_kvm(void* context, uint32_t leaf, uint32_t subleaf, x86::CpuidResult& result) {
    namespace cpuid = x86::cpuid;
    if (leaf == cpuid::kFeatures) result.edx &= ~cpuid::leaf1_edx::APIC;
    if (leaf >= cpuid::kHypervisorVendor && leaf < cpuid::kHypervisorVendor + 0x100) result = {};
    const auto* inner = static_cast<const vmx::CpuidHook*>(context);
    if (inner->function != nullptr) inner->function(inner->context, leaf, subleaf, result);
}

Error describe_failure(const char* what, const VCpuError& error) {
    return {fmt::format("{}: {}", what, kvm::describe(error))};
}

struct Parts {
    MappedMemory& memory;
    kvm::Vm& vm;
    Board& board;
    const BootState& boot;
};

Result<GuestRunResult> run_vcpu(const GuestRunConfig& config, const Parts& parts) {
    PhysCpu phys_cpu(0);
    auto vcpu = VCpu<kvm::KvmVCpu>::create(phys_cpu, {}, {&parts.vm});
    if (!vcpu) return Unexpected(describe_failure("the virtual CPU cannot be made", vcpu.error()));
    kvm::SetupConfig setup;
    setup.entry_state = parts.boot.registers;
    setup.mmio = device_ranges(parts.memory.guest());
    vmx::CpuidHook inner = config.cpuid_hook;
    setup.cpuid_hook = {hide_apic_and_kvm, &inner};
    auto ready = vcpu->setup(parts.boot.entry, parts.memory.ept_root(), setup);
    if (ready) ready = vcpu->bind();
    if (!ready) return Unexpected(describe_failure("the virtual CPU cannot be set up", ready.error()));

    KvmMachineCpu cpu(*vcpu, parts.memory.guest());
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
