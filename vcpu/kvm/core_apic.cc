// SPDX-License-Identifier: MIT
// A vCPU whose local APIC is in the kernel.
#include <algorithm>
#include <cstring>

#include "isa/x86/apic_register.h"
#include "vcpu/kvm/core.h"

namespace vtless::kvm {

namespace {

namespace apic = x86::apic_register;

constexpr uint32_t kSoftwareEnabled = 1u << 8;  // SVR
constexpr uint32_t kMasked = 1u << 16;          // LVT
constexpr uint32_t kTimerMode = 3u << 17;
constexpr uint32_t kOneShot = 0;

uint32_t register_of(const kvm_lapic_state& state, unsigned offset) {
    uint32_t value = 0;
    std::memcpy(&value, state.regs + offset, sizeof value);
    return value;
}

// SDM Vol. 3A "APIC Timer" (11.5.4). KVM tells a one-shot timer's current count, not the deadline of the
// TSC-deadline mode: an unmasked one may wake.
bool may_interrupt(const kvm_lapic_state& state) {
    if ((register_of(state, apic::SVR) & kSoftwareEnabled) == 0) return false;
    for (unsigned offset = 0; offset < 0x80; offset += 0x10)
        if (register_of(state, apic::IRR + offset) != 0) return true;
    const uint32_t timer = register_of(state, apic::LVT_TIMER);
    if ((timer & kMasked) != 0) return false;
    return (timer & kTimerMode) != kOneShot || register_of(state, apic::CURRENT_COUNT) != 0;
}

}  // namespace

Result<void> Core::set_activity(uint32_t state) {
    kvm_mp_state wanted{state};
    const auto done = call(fd_, KVM_SET_MP_STATE, &wanted);
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

Result<bool> Core::stands_halted() {
    if (!vm_.has_kernel_apics()) return false;
    kvm_mp_state now{};
    if (const auto done = call(fd_, KVM_GET_MP_STATE, &now); !done) return Unexpected(done.error());
    return now.mp_state == KVM_MP_STATE_HALTED;
}

Result<bool> Core::waits_for_others() {
    const auto halted = stands_halted();
    if (!halted || !*halted) return halted;
    const auto now = state();
    if (!now) return Unexpected(now.error());
    if ((now->rflags & x86::rflags::IF) == 0) return true;
    kvm_lapic_state local{};
    if (const auto done = call(fd_, KVM_GET_LAPIC, &local); !done) return Unexpected(done.error());
    return !may_interrupt(local);
}

// KVM wakes a halted vCPU for its own events only. SDM Vol. 3C "Activity State" (27.6.2): an injected event
// ends HLT.
Result<void> Core::wake() {
    const auto halted = stands_halted();
    if (!halted) return Unexpected(halted.error());
    return *halted ? set_activity(KVM_MP_STATE_RUNNABLE) : Result<void>();
}

// Only the page at reset: where the guest moves it, it is the guest that loses what is there.
Result<void> Core::check_apic_use(const SetupConfig& config) const {
    if (!vm_.has_kernel_apics()) {
        if (!config.wait_for_sipi) return {};
        return fail_with(VCpuErrc::Unsupported, Failure::NeedsKernelApics,
                         static_cast<uint32_t>(KernelApicUse::WaitForSipi));
    }
    constexpr uint64_t kPage = x86::apic_base::kDefaultAddress, kBytes = 4096;
    for (const vmx::MmioRange& range : config.mmio)
        if (range.base.value() < kPage + kBytes && kPage < range.base.value() + range.bytes)
            return fail_with(VCpuErrc::Unsupported, Failure::ApicPage);
    return {};
}

Result<void> Core::inject_interrupt(uint8_t vector) {
    if (!vm_.has_kernel_apics()) return push_interrupt(vector), Result<void>();
    // SDM Vol. 3A "Valid Interrupt Vectors" (11.5.2).
    if (vector < 16) return fail_with(VCpuErrc::InvalidInput, Failure::ApicVector, vector);
    return vm_.signal_msi(fixed_msi(static_cast<uint8_t>(id_), vector));
}

}  // namespace vtless::kvm
