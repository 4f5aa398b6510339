// SPDX-License-Identifier: MIT
#include "vcpu/kvm/cpuid.h"

#include <cerrno>

namespace vtless::kvm {

namespace {

constexpr uint32_t kSvm = 1u << 2;  // CPUID.80000001H:ECX, AMD

// Nested virtualization is not offered. x2APIC mode and the TSC deadline are the local APIC's.
void adapt(CpuidEntry& entry, uint32_t apic_features) {
    namespace cpuid = x86::cpuid;
    using namespace cpuid::leaf1_ecx;
    if (entry.leaf == cpuid::kFeatures) {
        entry.result.ecx &= ~(VMX | X2APIC | TSC_DEADLINE);
        entry.result.ecx |= HYPERVISOR | apic_features;
    }
    if (entry.leaf == cpuid::kExtendedFeatures) entry.result.ecx &= ~kSvm;
}

}  // namespace

CpuidTable::CpuidTable(const std::vector<CpuidEntry>& entries) : CpuidTable(entries.size()) {
    kvm_cpuid_entry2* next = first();
    for (const CpuidEntry& entry : entries) {
        const x86::CpuidResult& result = entry.result;
        *next++ = {entry.leaf,
                   entry.subleaf,
                   entry.subleaf_matters ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0u,
                   result.eax,
                   result.ebx,
                   result.ecx,
                   result.edx,
                   {}};
    }
}

std::vector<CpuidEntry> CpuidTable::entries() {
    std::vector<CpuidEntry> entries;
    for (uint32_t i = 0; i < header().count; ++i) {
        const kvm_cpuid_entry2& raw = first()[i];
        entries.push_back({raw.function,
                           raw.index,
                           (raw.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
                           {raw.eax, raw.ebx, raw.ecx, raw.edx}});
    }
    return entries;
}

// What the kernel's local APIC can do. KVM says of the TSC deadline only by its capability.
Result<uint32_t> Vm::apic_features() const {
    if (!has_kernel_apics()) return 0u;
    const auto deadline = extension(KVM_CAP_TSC_DEADLINE_TIMER);
    if (!deadline) return Unexpected(deadline.error());
    using namespace x86::cpuid::leaf1_ecx;
    return X2APIC | (*deadline != 0 ? TSC_DEADLINE : 0);
}

// KVM does not say how many there are: it refuses a table that is too small.
Result<std::vector<CpuidEntry>> Vm::supported_cpuid() const {
    constexpr size_t kMost = 4096;
    const auto apic_features = this->apic_features();
    if (!apic_features) return Unexpected(apic_features.error());
    for (size_t count = 64;; count *= 2) {
        CpuidTable table(count);
        const Expected<int, int> done =
            system_.raw(kGetSupportedCpuid, reinterpret_cast<uintptr_t>(table.request()));
        if (done) {
            std::vector<CpuidEntry> entries = table.entries();
            for (CpuidEntry& entry : entries) adapt(entry, *apic_features);
            return entries;
        }
        if (done.error() != E2BIG || count == kMost)
            return fail_with(VCpuErrc::Backend, Failure::Ioctl, static_cast<uint32_t>(kGetSupportedCpuid),
                             done.error());
    }
}

}  // namespace vtless::kvm
