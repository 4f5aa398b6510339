// SPDX-License-Identifier: MIT
#include "tests/vcpu/kvm/fake_kernel.h"

#include <cerrno>
#include <cstring>

#include "vcpu/kvm/flexible.h"

namespace vtless::kvm {

namespace {

constexpr int kFile = 100;

template <class T>
void copy_out(uintptr_t argument, const T& value) {
    std::memcpy(reinterpret_cast<void*>(argument), &value, sizeof value);
}
template <class T>
T copy_in(uintptr_t argument) {
    T value;
    std::memcpy(&value, reinterpret_cast<const void*>(argument), sizeof value);
    return value;
}

}  // namespace

Expected<int, int> FakeKernel::open(const char*) {
    if (open_error) return Unexpected(*open_error);
    ++open_files;
    return kFile;
}

Expected<int, int> FakeKernel::ioctl(int, unsigned long request, uintptr_t argument) {
    if (const auto error = errors.find(request); error != errors.end()) return Unexpected(error->second);
    if (const auto answer = answers.find(request); answer != answers.end()) return answer->second;
    switch (request) {
        case KVM_GET_API_VERSION:
            return KVM_API_VERSION;
        case KVM_CHECK_EXTENSION: {
            const auto other = extensions.find(argument);
            return other != extensions.end() ? other->second : argument == KVM_CAP_NR_MEMSLOTS ? 8 : 1;
        }
        case KVM_GET_VCPU_MMAP_SIZE:
            return static_cast<int>(kSharedBytes);
        case KVM_CREATE_VM:
        case KVM_CREATE_VCPU:
            return kFile + ++open_files;
        case KVM_SET_USER_MEMORY_REGION:
            regions.push_back(copy_in<kvm_userspace_memory_region>(argument));
            return 0;
        case kGetSupportedCpuid:
            copy_out(argument, EntriesHeader{static_cast<uint32_t>(cpuid.size()), 0});
            for (size_t i = 0; i < cpuid.size(); ++i)
                copy_out(argument + sizeof(EntriesHeader) + i * sizeof cpuid[i], cpuid[i]);
            return 0;
        case KVM_X86_SET_MSR_FILTER:
            passed_msrs.clear();
            for (const auto& range : copy_in<kvm_msr_filter>(argument).ranges)
                passed_msrs.push_back({range, {range.bitmap, range.bitmap + range.nmsrs / 8}});
            return 0;
        case KVM_ENABLE_CAP:
            capabilities.push_back(copy_in<kvm_enable_cap>(argument));
            return 0;
        case KVM_SIGNAL_MSI:
            messages.push_back(copy_in<kvm_msi>(argument));
            return 1;
        case kSetGsiRouting:
            routes.resize(copy_in<EntriesHeader>(argument).count);
            for (size_t i = 0; i < routes.size(); ++i)
                routes[i] = copy_in<kvm_irq_routing_entry>(argument + sizeof(EntriesHeader) +
                                                           i * sizeof(kvm_irq_routing_entry));
            return 0;
        case KVM_GET_MP_STATE:
            copy_out(argument, activity);
            return 0;
        case KVM_SET_MP_STATE:
            activity = copy_in<kvm_mp_state>(argument);
            return 0;
        case KVM_GET_LAPIC:
            copy_out(argument, local_apic);
            return 0;
        case kSetMsrs:
            return 1;
        case KVM_GET_REGS:
            copy_out(argument, regs);
            return 0;
        case KVM_SET_REGS:
            regs = copy_in<kvm_regs>(argument);
            return 0;
        case KVM_GET_SREGS:
            copy_out(argument, sregs);
            return 0;
        case KVM_SET_SREGS:
            sregs = copy_in<kvm_sregs>(argument);
            return 0;
        case KVM_INTERRUPT:
            interrupts.push_back(copy_in<kvm_interrupt>(argument).irq);
            return 0;
        case KVM_GET_VCPU_EVENTS:
            copy_out(argument, events);
            return 0;
        case KVM_SET_VCPU_EVENTS:
            events = copy_in<kvm_vcpu_events>(argument);
            return 0;
        case KVM_RUN: {
            auto& shared = *reinterpret_cast<kvm_run*>(shared_);
            const Run& action = shared.immediate_exit != 0 ? finish : run;
            const int error = action ? action(shared, shared_) : EINTR;
            if (error != 0) return Unexpected(error);
            return 0;
        }
        default:
            return 0;
    }
}

Expected<uint8_t*, int> FakeKernel::map(int, size_t) {
    if (map_error) return Unexpected(*map_error);
    ++mappings;
    return static_cast<uint8_t*>(shared_);
}

bool FakeKernel::passes(uint32_t access, uint32_t msr) const {
    for (const auto& [range, bitmap] : passed_msrs) {
        const uint32_t index = msr - range.base;
        if (range.flags == access && index < range.nmsrs) return (bitmap[index / 8] >> index % 8 & 1) != 0;
    }
    return false;
}

void FakeKernel::unmap(uint8_t*, size_t) { --mappings; }
void FakeKernel::close(int) { --open_files; }

}  // namespace vtless::kvm
