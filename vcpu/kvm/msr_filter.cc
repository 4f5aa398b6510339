// SPDX-License-Identifier: MIT
#include "vcpu/kvm/msr_filter.h"

namespace vtless::kvm {

Result<MsrFilter> MsrFilter::make(const vmx::MsrPassThroughList& passed) {
    MsrFilter filter;
    for (const vmx::MsrPassThrough& pass : passed) {
        const auto msr = static_cast<uint32_t>(pass.msr);
        const size_t range = msr >= kBases[1] ? 1 : 0;
        const uint32_t index = msr - kBases[range];
        if (index >= kMsrs) return fail_with(VCpuErrc::InvalidInput, Failure::MsrRange, msr);
        const auto set = [index](Bitmap& bitmap) {
            bitmap[index / 8] = static_cast<uint8_t>(bitmap[index / 8] | 1u << index % 8);
        };
        if (pass.read) set(filter.bitmaps_->read[range]);
        if (pass.write) set(filter.bitmaps_->write[range]);
    }
    return filter;
}

kvm_msr_filter MsrFilter::request() {
    kvm_msr_filter filter{};
    filter.flags = KVM_MSR_FILTER_DEFAULT_DENY;
    size_t next = 0;
    const auto add = [&filter, &next](uint32_t access, uint32_t base, Bitmap& bitmap) {
        filter.ranges[next++] = {access, kMsrs, base, bitmap.data()};
    };
    for (size_t range = 0; range < kBases.size(); ++range) {
        add(KVM_MSR_FILTER_READ, kBases[range], bitmaps_->read[range]);
        add(KVM_MSR_FILTER_WRITE, kBases[range], bitmaps_->write[range]);
    }
    return filter;
}

}  // namespace vtless::kvm
