// SPDX-License-Identifier: MIT
#include <array>
#include <csignal>

#include "vcpu/kvm/core.h"
#include "vcpu/kvm/cpuid.h"

namespace vtless::kvm {

namespace {

Result<void> without_value(const Result<int>& done) {
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

// What names the processor among others is not the host's.
void set_apic_id(CpuidEntry& entry, VCpuId id) {
    if (entry.leaf == x86::cpuid::kFeatures)
        entry.result.ebx = (entry.result.ebx & 0x00ffffff) | static_cast<uint32_t>(id) << 24;
    if (entry.leaf == x86::cpuid::kTopology) entry.result.edx = static_cast<uint32_t>(id);
}

}  // namespace

Result<void> Core::set_entry(Gpa entry) {
    entry_ = entry;
    if (!set_up_) return {};
    auto now = state();
    if (!now) return Unexpected(now.error());
    const uint64_t base = now->segment(x86::SegmentRegister::CS).base;
    if (entry.value() < base) return fail_with(VCpuErrc::InvalidInput, Failure::EntryState);
    now->rip = entry.value() - base;
    if (const auto awake = wake(); !awake) return awake;
    return set_state(*now);
}

Result<void> Core::set_ept_root(Hpa root) {
    if (root.page_offset() != 0) return fail(VCpuErrc::InvalidInput, root.value() & 0xfff);
    if (const auto shared = vm_.share_ept_root(root, shares_root_); !shared) return shared;
    shares_root_ = true;
    ept_root_ = root;
    return {};
}

// CPUID first: it decides which bits CR4, EFER and XCR0 may have.
Result<void> Core::setup(const SetupConfig& config) {
    if (const auto good = check_apic_use(config); !good) return good;
    config_ = config;
    if (const auto done = load_cpuid(); !done) return done;
    if (config.xcr0) {
        kvm_xcrs xcrs{};
        xcrs.nr_xcrs = 1;
        xcrs.xcrs[0].value = *config.xcr0;
        if (const auto done = call(fd_, KVM_SET_XCRS, &xcrs); !done) return without_value(done);
    }
    if (const auto done = load_entry_state(); !done) return done;
    if (const auto done = load_msr(x86::Msr::IA32_PAT, config.entry_state.pat); !done) return done;
    if (const auto done = load_debug_registers(config.entry_state.dr7); !done) return done;
    if (vm_.has_kernel_apics()) {
        const uint32_t state = config.wait_for_sipi ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE;
        if (const auto done = set_activity(state); !done) return done;
    }
    set_up_ = true;
    return {};
}

Result<void> Core::load_cpuid() {
    auto entries = config_.cpuid ? Result<std::vector<CpuidEntry>>(*config_.cpuid) : vm_.supported_cpuid();
    if (!entries) return Unexpected(entries.error());
    for (CpuidEntry& entry : *entries) {
        if (!config_.cpuid) set_apic_id(entry, id_);
        const vmx::CpuidHook& hook = config_.cpuid_hook;
        if (hook.function != nullptr) hook.function(hook.context, entry.leaf, entry.subleaf, entry.result);
        if (entry.leaf == x86::cpuid::kFeatures)
            shows_apic_ = (entry.result.edx & x86::cpuid::leaf1_edx::APIC) != 0;
    }
    CpuidTable table(*entries);
    return without_value(call(fd_, kSetCpuid2, table.request()));
}

Result<void> Core::load_entry_state() {
    GuestState first;
    static_cast<vmx::GuestEntryState&>(first) = config_.entry_state;
    const uint64_t base = first.segment(x86::SegmentRegister::CS).base;
    if (entry_.value() < base) return fail_with(VCpuErrc::InvalidInput, Failure::EntryState);
    first.rip = entry_.value() - base;
    if (const auto done = set_state(first); !done) return done;
    // CPUID's APIC bit is not the table's, but that of IA32_APIC_BASE: SDM Vol. 3A "Enabling or Disabling the
    // Local APIC" (11.4.3).
    if (!shows_apic_) sregs_.apic_base &= ~x86::apic_base::ENABLE;
    return flush_registers();
}

Result<void> Core::load_msr(x86::Msr msr, uint64_t value) {
    constexpr size_t kWords = (sizeof(EntriesHeader) + sizeof(kvm_msr_entry)) / sizeof(uint64_t);
    std::array<uint64_t, kWords> request{};
    auto* header = reinterpret_cast<EntriesHeader*>(request.data());
    header->count = 1;
    auto* entry = reinterpret_cast<kvm_msr_entry*>(header + 1);
    entry->index = static_cast<uint32_t>(msr);
    entry->data = value;
    const auto written = call(fd_, kSetMsrs, request.data());
    if (!written) return Unexpected(written.error());
    if (*written == 1) return {};
    return fail_with(VCpuErrc::InvalidInput, Failure::Msr, static_cast<uint32_t>(msr));
}

Result<void> Core::load_debug_registers(uint64_t dr7) {
    kvm_debugregs debug{};
    if (const auto done = call(fd_, KVM_GET_DEBUGREGS, &debug); !done) return without_value(done);
    debug.dr7 = dr7;
    return without_value(call(fd_, KVM_SET_DEBUGREGS, &debug));
}

// The signal must reach this thread.
Result<void> Core::bind() {
    if (!set_up_) return fail_with(VCpuErrc::Backend, Failure::NotSetUp);
    if (const auto done = install_kick_handler(vm_.kick_signal()); !done) return done;
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, vm_.kick_signal());
    pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
    bound_ = true;
    return {};
}

void Core::unbind() {
    slice_.reset();
    bound_ = false;
}

}  // namespace vtless::kvm
