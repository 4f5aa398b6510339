// SPDX-License-Identifier: MIT
// KVM's requests whose structure ends in an array of any length. In kernel headers before 6.6 the array is a
// member of size 0 in C, but of size 1 in C++, and the request's number holds the structure's size.
#pragma once

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cstdint>

namespace vtless::kvm {

// What comes before the entries, of kvm_cpuid2, kvm_msrs and kvm_irq_routing.
struct EntriesHeader {
    uint32_t count = 0;
    uint32_t padding = 0;
};
static_assert(sizeof(EntriesHeader) == 8);

inline constexpr unsigned long kGetSupportedCpuid =
    _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, sizeof(EntriesHeader));
inline constexpr unsigned long kSetGsiRouting = _IOC(_IOC_WRITE, KVMIO, 0x6a, sizeof(EntriesHeader));
inline constexpr unsigned long kSetMsrs = _IOC(_IOC_WRITE, KVMIO, 0x89, sizeof(EntriesHeader));
inline constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, sizeof(EntriesHeader));

}  // namespace vtless::kvm
