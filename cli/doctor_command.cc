// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "cli/commands.h"
#include "cli/kvm_probe.h"
#include "sim/engine/version.h"
#include "sim/vmx/advertise.h"
#include "vmm/cpu_profile.h"
#include "vmm/sim_platform.h"

namespace vtless::cli {

namespace {

struct DoctorOptions {
    std::string cpu = "default";
    std::string kvm_device = "/dev/kvm";
};

struct Feature {
    const char* name;
    bool has;
};

// What the processor advertises in its capability MSRs, as a backend asks for it.
void print_capabilities(const sim::VmxCapabilities& can) {
    using E = x86::EptVpidCapability;
    using S = x86::SecondaryControls;
    using P = x86::PrimaryControls;
    const auto& [pin, primary, secondary] = std::tie(can.pin, can.primary, can.secondary);
    const E ept = can.ept_vpid;
    const Feature features[] = {
        {"unrestricted guest", secondary.supports(S::UNRESTRICTED_GUEST)},
        {"EPT", secondary.supports(S::ENABLE_EPT)},
        {"EPT 2-MiB pages", ept.has(E::kPage2M)},
        {"EPT 1-GiB pages", ept.has(E::kPage1G)},
        {"EPT accessed and dirty bits", ept.has(E::kAccessedDirty)},
        {"EPT execute-only", ept.has(E::kExecuteOnly)},
        {"EPT of 5 levels", ept.has(E::kWalkLength5)},
        {"mode-based execute control", secondary.supports(S::MODE_BASED_EXECUTE_CONTROL_FOR_EPT)},
        {"page-modification logging", secondary.supports(S::ENABLE_PML)},
        {"EPT-violation #VE", secondary.supports(S::EPT_VIOLATION_VE)},
        {"EPTP switching", secondary.supports(S::ENABLE_VM_FUNCTIONS) && (can.vmfunc & 1) != 0},
        {"VMCS shadowing", secondary.supports(S::VMCS_SHADOWING)},
        {"VPID", secondary.supports(S::ENABLE_VPID)},
        {"I/O bitmaps", primary.supports(P::USE_IO_BITMAPS)},
        {"MSR bitmaps", primary.supports(P::USE_MSR_BITMAPS)},
        {"interrupt-window exiting", primary.supports(P::INTERRUPT_WINDOW_EXITING)},
        {"virtual NMIs", pin.supports(x86::PinControls::VIRTUAL_NMIS)},
        {"preemption timer", pin.supports(x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER)},
        {"TSC scaling", secondary.supports(S::USE_TSC_SCALING)},
        {"PAUSE-loop exiting", secondary.supports(S::PAUSE_LOOP_EXITING)},
        {"monitor trap flag", primary.supports(P::MONITOR_TRAP_FLAG)},
        {"TPR shadow", primary.supports(P::USE_TPR_SHADOW)},
        {"virtualized APIC accesses", secondary.supports(S::VIRTUALIZE_APIC_ACCESSES)},
        {"virtualized x2APIC mode", secondary.supports(S::VIRTUALIZE_X2APIC_MODE)},
        {"APIC-register virtualization", secondary.supports(S::APIC_REGISTER_VIRTUALIZATION)},
        {"virtual-interrupt delivery", secondary.supports(S::VIRTUAL_INTERRUPT_DELIVERY)},
        {"posted interrupts", pin.supports(x86::PinControls::PROCESS_POSTED_INTERRUPTS)},
    };
    for (const Feature& feature : features)
        fmt::print("  {:<30}{}\n", feature.name, feature.has ? "yes" : "no");
}

// What the profile has and this processor has not.
void print_removed(const vmm::CpuProfile& cpu) {
    const auto removed = sim::removed_features(cpu.claimed, cpu.advertised);
    fmt::print("removed from {}, because the engine does not have it:{}\n", cpu.name,
               removed.empty() ? " nothing" : "");
    std::optional<sim::FeatureWord> word;
    for (const sim::RemovedFeature& feature : removed) {
        if (word != feature.word) fmt::print("  {}\n", sim::describe(feature.word));
        word = feature.word;
        fmt::print("    {:>2}  {:<48}{}\n", feature.bit, feature.name, feature.why);
    }
    const auto& [had, has] = std::tie(cpu.claimed, cpu.advertised);
    if (had.linear_bits != has.linear_bits)
        fmt::print("  linear addresses of {} bits, not {}\n", has.linear_bits, had.linear_bits);
    if (had.misc.cr3_targets() != has.misc.cr3_targets())
        fmt::print("  {} CR3-target values, not {}\n", has.misc.cr3_targets(), had.misc.cr3_targets());
    if (had.cpuid.max_basic_leaf != has.cpuid.max_basic_leaf)
        fmt::print("  CPUID leaves to {:#x}, not {:#x}\n", has.cpuid.max_basic_leaf,
                   had.cpuid.max_basic_leaf);
}

// The engine's self-probe runs when a processor is made.
bool report_simulator(const vmm::CpuProfile& cpu) {
    fmt::print("simulated processor (sim)\n  {:<30}{}\n", "Unicorn", sim::unicorn_version());
    sim::VmxProcessorConfig config;
    config.capabilities = cpu.advertised;
    auto platform = vmm::SimPlatform::create(vmm::MemoryLayout(1 << 20), 0, config);
    if (!platform) {
        fmt::print("  {:<30}{}\n", "usable", "no: " + platform.error().message);
        return false;
    }
    fmt::print("  {:<30}{}\n", "usable", "yes: the engine's self-probe found every field, VMXON succeeded");
    fmt::print("  {:<30}{}: {}\n", "processor", cpu.name, cpu.processor);
    print_capabilities((*platform)->processor().capabilities());
    print_removed(cpu);
    return true;
}

void print_row(const char* name, const std::string& value) { fmt::print("  {:<30}{}\n", name, value); }

// What an emulator takes is never said as if it were a processor's.
void print_speed(const KvmReport& kvm) {
    if (!kvm.virtualizes) {
        print_row("kind",
                  "emulates instructions in the kernel: this processor has neither VMX nor SVM (kvm_pvm)");
    } else if (!kvm.measured_hardware()) {
        print_row("kind", "on a processor with VMX or SVM, but too slow to be executed by it");
    } else {
        print_row("kind", "hardware virtualization");
    }
    if (!kvm.mips) return print_row("speed", "not measured: the guest did not get there");
    if (kvm.measured_hardware()) {
        print_row("speed", fmt::format("{:.0f} million instructions a second", *kvm.mips));
        if (kvm.exit_microseconds)
            print_row("exit by OUT and back", fmt::format("{:.2f} us", *kvm.exit_microseconds));
    } else {
        print_row("speed", fmt::format("about {:.1f} million instructions a second, an emulator's: nothing "
                                       "timed on it says anything about a processor",
                                       *kvm.mips));
    }
}

std::string describe(const KernelApicProbe& apic) {
    if (!apic.absent.empty()) return "no: " + apic.absent;
    if (!apic.failure.empty()) return "FAILS: " + apic.failure;
    return "works: its timer wakes a guest from HLT";
}

bool report_kvm(const std::string& device) {
    const KvmReport kvm = probe_kvm(device);
    fmt::print("Linux KVM (kvm)\n");
    if (!kvm.unusable.empty()) {
        print_row("usable", "no: " + kvm.unusable);
        return false;
    }
    print_row("usable", kvm.works() ? "yes: each guest below did what a processor does"
                                    : "in part: see the guests that fail");
    print_speed(kvm);
    for (const KvmProbe& probe : kvm.probes)
        print_row(probe.name, probe.failure.empty() ? "works" : "FAILS: " + probe.failure);
    print_row("local APIC in the kernel", describe(kvm.kernel_apic));
    return kvm.works();
}

int run_doctor(const DoctorOptions& options) {
    const auto cpu = vmm::load_cpu_profile(options.cpu);
    if (!cpu) {
        fmt::print(stderr, "vtless: --cpu: {}\n", cpu.error().message);
        return kBadInput;
    }
    const bool simulator = report_simulator(*cpu);
    const bool kvm = report_kvm(options.kvm_device);
    std::string working = simulator ? "sim" : "";
    if (kvm) working += working.empty() ? "kvm" : ", kvm";
    fmt::print("backends that work here: {}\n", working.empty() ? "none" : working);
    return simulator ? kEndedAsAsked : kGuestFailed;
}

}  // namespace

Command add_doctor_command(CLI::App& app) {
    auto options = std::make_shared<DoctorOptions>();
    app.add_option(
           "--cpu", options->cpu,
           "The processor: a name that `vtless cpus` lists, or a profile's path. Shows what the engine "
           "removes from it")
        ->type_name("NAME|FILE")
        ->capture_default_str();
    app.add_option("--kvm-device", options->kvm_device, "Where Linux KVM is")
        ->type_name("FILE")
        ->capture_default_str();
    app.footer("\nExit status: 0 the simulated processor works, 3 it does not, 2 there is no such --cpu.\n");
    return [options] { return run_doctor(*options); };
}

}  // namespace vtless::cli
