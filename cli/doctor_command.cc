// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "cli/commands.h"
#include "isa/x86/vmx_capability.h"
#include "sim/engine/version.h"
#include "vmm/sim_platform.h"

namespace vtless::cli {

namespace {

struct Feature {
    const char* name;
    bool has;
};

uint64_t read_msr(const sim::VmxProcessor& processor, x86::Msr msr) {
    uint64_t value = 0;
    return processor.rdmsr(msr, value).ok() ? value : 0;
}

// What the processor advertises in its capability MSRs, as a backend asks for it.
void print_capabilities(const sim::VmxProcessor& processor) {
    using E = x86::EptVpidCapability;
    using S = x86::SecondaryControls;
    using P = x86::PrimaryControls;
    const E ept{read_msr(processor, x86::Msr::IA32_VMX_EPT_VPID_CAP)};
    const x86::SecondaryCapability secondary{read_msr(processor, x86::Msr::IA32_VMX_PROCBASED_CTLS2)};
    const x86::PrimaryCapability primary{read_msr(processor, x86::Msr::IA32_VMX_TRUE_PROCBASED_CTLS)};
    const x86::PinCapability pin{read_msr(processor, x86::Msr::IA32_VMX_TRUE_PINBASED_CTLS)};
    const Feature features[] = {
        {"unrestricted guest", secondary.supports(S::UNRESTRICTED_GUEST)},
        {"EPT", secondary.supports(S::ENABLE_EPT)},
        {"EPT 2-MiB pages", ept.has(E::kPage2M)},
        {"EPT 1-GiB pages", ept.has(E::kPage1G)},
        {"EPT accessed and dirty bits", ept.has(E::kAccessedDirty)},
        {"EPT execute-only", ept.has(E::kExecuteOnly)},
        {"VPID", secondary.supports(S::ENABLE_VPID)},
        {"I/O bitmaps", primary.supports(P::USE_IO_BITMAPS)},
        {"MSR bitmaps", primary.supports(P::USE_MSR_BITMAPS)},
        {"interrupt-window exiting", primary.supports(P::INTERRUPT_WINDOW_EXITING)},
        {"virtual NMIs", pin.supports(x86::PinControls::VIRTUAL_NMIS)},
        {"preemption timer", pin.supports(x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER)},
        {"monitor trap flag", primary.supports(P::MONITOR_TRAP_FLAG)},
        {"APIC-register virtualization", secondary.supports(S::APIC_REGISTER_VIRTUALIZATION)},
    };
    for (const Feature& feature : features)
        fmt::print("  {:<30}{}\n", feature.name, feature.has ? "yes" : "no");
}

// The engine's self-probe runs when a processor is made.
bool report_simulator() {
    fmt::print("simulated processor (sim)\n  {:<30}{}\n", "Unicorn", sim::unicorn_version());
    auto platform = vmm::SimPlatform::create(vmm::MemoryLayout(1 << 20), 0);
    if (!platform) {
        fmt::print("  {:<30}{}\n", "usable", "no: " + platform.error().message);
        return false;
    }
    fmt::print("  {:<30}{}\n", "usable", "yes: the engine's self-probe found every field, VMXON succeeded");
    print_capabilities((*platform)->processor());
    return true;
}

std::string kvm_state() {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) return fmt::format("no: /dev/kvm: {}", std::strerror(errno));
    const int version = ioctl(kvm, KVM_GET_API_VERSION, 0);
    close(kvm);
    return version == KVM_API_VERSION
               ? fmt::format("present, API version {}", version)
               : fmt::format("present, but API version {} is not {}", version, KVM_API_VERSION);
}

int run_doctor() {
    const bool simulator = report_simulator();
    fmt::print("Linux KVM\n  {:<30}{}\n  {:<30}{}\n", "/dev/kvm", kvm_state(), "usable",
               "no: this version of vtless has no KVM backend");
    return simulator ? kEndedAsAsked : kGuestFailed;
}

}  // namespace

Command add_doctor_command(CLI::App& app) {
    app.footer("\nExit status: 0 the simulated processor works, 3 it does not.\n");
    return run_doctor;
}

}  // namespace vtless::cli
