// SPDX-License-Identifier: MIT
#include "vcpu/kvm/host.h"

#include <cpuid.h>

#include "isa/x86/cpuid.h"

namespace vtless::kvm {

namespace {

bool has_vmx_or_svm() {
    constexpr unsigned kSvm = 1u << 2;
    x86::CpuidResult at;
    if (__get_cpuid(x86::cpuid::kFeatures, &at.eax, &at.ebx, &at.ecx, &at.edx) != 0 &&
        (at.ecx & x86::cpuid::leaf1_ecx::VMX) != 0)
        return true;
    return __get_cpuid(x86::cpuid::kExtendedFeatures, &at.eax, &at.ebx, &at.ecx, &at.edx) != 0 &&
           (at.ecx & kSvm) != 0;
}

}  // namespace

bool host_virtualizes() {
    static const bool virtualizes = has_vmx_or_svm();  // CPUID may trap
    return virtualizes;
}

}  // namespace vtless::kvm
