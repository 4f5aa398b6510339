// SPDX-License-Identifier: MIT
// Linux, The Definitive KVM API Documentation, "KVM_CAP_SPLIT_IRQCHIP", "KVM_SIGNAL_MSI",
// "KVM_SET_GSI_ROUTING".
#include <linux/kvm.h>

#include <cerrno>
#include <cstring>

#include "vcpu/kvm/flexible.h"
#include "vcpu/kvm/vm.h"

namespace vtless::kvm {

namespace {

Result<void> without_value(const Result<int>& done) {
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

// kvm_irq_routing, of 64-bit words.
std::vector<uint64_t> routing_request(const std::vector<IoApicRoute>& routes) {
    constexpr size_t kEntryWords = sizeof(kvm_irq_routing_entry) / sizeof(uint64_t);
    std::vector<uint64_t> request(1 + routes.size() * kEntryWords);
    const EntriesHeader header{static_cast<uint32_t>(routes.size()), 0};
    std::memcpy(request.data(), &header, sizeof header);
    for (size_t i = 0; i < routes.size(); ++i) {
        kvm_irq_routing_entry entry{};
        entry.gsi = routes[i].pin;
        entry.type = KVM_IRQ_ROUTING_MSI;
        entry.u.msi.address_lo = static_cast<uint32_t>(routes[i].message.address);
        entry.u.msi.address_hi = static_cast<uint32_t>(routes[i].message.address >> 32);
        entry.u.msi.data = routes[i].message.data;
        std::memcpy(&request[1 + i * kEntryWords], &entry, sizeof entry);
    }
    return request;
}

}  // namespace

// Before the first vCPU. KVM looks for level-triggered routes among the first ioapic_pins only.
Result<void> Vm::take_kernel_apics() {
    if (!has_kernel_apics()) return {};
    kvm_enable_cap split{};
    split.cap = KVM_CAP_SPLIT_IRQCHIP;
    split.args[0] = config_.ioapic_pins;
    return without_value(call(vm_, KVM_ENABLE_CAP, &split));
}

Result<void> Vm::needs_kernel_apics(KernelApicUse what) const {
    if (has_kernel_apics()) return {};
    return fail_with(VCpuErrc::Unsupported, Failure::NeedsKernelApics, static_cast<uint32_t>(what));
}

// KVM answers 0 where an APIC is disabled and -1, which is EPERM, where there is none of this id.
Result<void> Vm::signal_msi(const MsiMessage& message) const {
    if (const auto can = needs_kernel_apics(KernelApicUse::Msi); !can) return can;
    kvm_msi msi{};
    msi.address_lo = static_cast<uint32_t>(message.address);
    msi.address_hi = static_cast<uint32_t>(message.address >> 32);
    msi.data = message.data;
    const Expected<int, int> taken = vm_.raw(KVM_SIGNAL_MSI, reinterpret_cast<uintptr_t>(&msi));
    if (taken ? *taken == 0 : taken.error() == EPERM)
        return fail_with(VCpuErrc::ResourceBusy, Failure::MsiNotTaken, message.data & 0xff);
    if (taken) return {};
    return fail_with(VCpuErrc::Backend, Failure::Ioctl, static_cast<uint32_t>(KVM_SIGNAL_MSI), taken.error());
}

Result<void> Vm::set_ioapic_routes(const std::vector<IoApicRoute>& routes) const {
    if (const auto can = needs_kernel_apics(KernelApicUse::IoApicRoutes); !can) return can;
    for (const IoApicRoute& route : routes)
        if (route.pin >= config_.ioapic_pins)
            return fail_with(VCpuErrc::InvalidInput, Failure::IoApicPin, route.pin);
    std::vector<uint64_t> request = routing_request(routes);
    return without_value(call(vm_, kSetGsiRouting, request.data()));
}

}  // namespace vtless::kvm
