// SPDX-License-Identifier: MIT
// A virtual machine of Linux KVM: what its vCPUs share, that is memory, where their local APICs are, and
// which MSRs do not exit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "isa/x86/cpuid.h"
#include "isa/x86/msr.h"
#include "vcpu/kvm/kernel.h"
#include "vcpu/kvm/memory_slots.h"
#include "vcpu/vmx/config.h"

namespace vtless::kvm {

using MsrPassThroughList = vmx::MsrPassThroughList;

// As vmx::SetupConfig's, and EFER's writes, which VmxVCpu does itself.
constexpr MsrPassThroughList default_msr_pass_through() {
    MsrPassThroughList list = vmx::default_msr_pass_through();
    list.push_back({x86::Msr::IA32_EFER, true, true});
    return list;
}

// Where the local APICs of a VM are. In the kernel (KVM_CAP_SPLIT_IRQCHIP) KVM has them, at guest-physical
// FEE00000H; PIC and I/O APIC are the embedder's in either case.
enum class ApicIn : uint8_t { UserSpace, Kernel };

// SDM Vol. 3A "Message Signalled Interrupts" (11.11).
struct MsiMessage {
    uint64_t address = 0;
    uint32_t data = 0;
};
// Fixed, edge-triggered, to the local APIC of this physical id.
constexpr MsiMessage fixed_msi(uint8_t apic_id, uint8_t vector) {
    return {x86::apic_base::kDefaultAddress | uint64_t{apic_id} << 12, vector};
}

// What the embedder's I/O APIC sends for a pin that is not masked.
struct IoApicRoute {
    uint32_t pin = 0;
    MsiMessage message;
};

struct VmConfig {
    HostMemoryMap memory;
    x86::EptFeatures ept;
    ApicIn local_apics = ApicIn::UserSpace;
    uint32_t ioapic_pins = 24;  // for set_ioapic_routes, with the kernel's local APICs
    // What is not passed through exits; the kernel's local APICs add their own MSRs. KVM filters MSRs below
    // 0x3000 and from 0xc0000000 to 0xc0002fff.
    MsrPassThroughList passed_msrs = default_msr_pass_through();
    // Ends KVM_RUN, for request_exit and time slices; its handler is installed for the whole process. 0:
    // SIGRTMIN.
    int kick_signal = 0;
    std::string device = "/dev/kvm";
    Kernel* kernel = nullptr;  // nullptr: Linux
};

struct CpuidEntry {
    uint32_t leaf = 0;
    uint32_t subleaf = 0;
    bool subleaf_matters = false;
    x86::CpuidResult result;
};

// Not thread-safe. Must outlive its vCPUs.
class Vm {
  public:
    // Opens the device and makes a VM. Unsupported if there is none or it lacks something; Backend.
    static Result<std::unique_ptr<Vm>> create(const VmConfig& config);

    // What the processor and this KVM can do, without nested virtualization; what needs KVM's own APIC
    // is there if this VM has it.
    Result<std::vector<CpuidEntry>> supported_cpuid() const;
    // The slots become those of this EPT as it is now. KVM looks at no EPT: call it again after each change.
    Result<void> map_memory(Hpa ept_root);
    const std::vector<MemorySlot>& slots() const { return slots_; }
    int kick_signal() const { return kick_signal_; }
    bool has_kernel_apics() const { return config_.local_apics == ApicIn::Kernel; }

    // With the kernel's local APICs; from any thread. ResourceBusy if no APIC takes the message: there is
    // none of this id, or the guest has it disabled.
    Result<void> signal_msi(const MsiMessage& message) const;
    // Of these the level-triggered ones have EOIs that exit: all of them, as they are from now on.
    Result<void> set_ioapic_routes(const std::vector<IoApicRoute>& routes) const;

    // For KvmVCpu: takes part in the VM with this EPT root.
    Result<void> share_ept_root(Hpa ept_root, bool moved);
    void leave() { --sharers_; }
    Result<Descriptor> create_vcpu(uint64_t id) const;
    Result<Mapping> map_vcpu(const Descriptor& vcpu) const;

  private:
    Vm(const VmConfig& config, Descriptor&& system) : config_(config), system_(std::move(system)) {}

    Result<void> check_system();
    Result<void> start();
    Result<int> extension(unsigned capability) const;
    Result<void> require(unsigned capability) const;
    Result<void> take_kernel_apics();
    Result<uint32_t> apic_features() const;  // CPUID.1:ECX
    Result<void> needs_kernel_apics(KernelApicUse what) const;
    Result<void> exit_on_hypercalls();
    Result<void> filter_msrs();
    Result<void> set_slot(uint32_t id, const MemorySlot& slot, bool there);

    VmConfig config_;
    Descriptor system_;
    Descriptor vm_;
    SlotLimits limits_;
    size_t shared_bytes_ = 0;
    int kick_signal_ = 0;
    unsigned sharers_ = 0;
    Hpa ept_root_;
    std::vector<MemorySlot> slots_;  // bytes 0: the id is free. The index is KVM's slot number.
};

}  // namespace vtless::kvm
