// SPDX-License-Identifier: MIT
// Which MSRs do not exit, as KVM's filter has it.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <memory>

#include "vcpu/kvm/failure.h"
#include "vcpu/vmx/config.h"

namespace vtless::kvm {

// Everything exits but what a list passes, reads and writes apart.
class MsrFilter {
  public:
    // InvalidInput for an MSR outside both ranges.
    static Result<MsrFilter> make(const vmx::MsrPassThroughList& passed);
    // Points into this filter.
    kvm_msr_filter request();

  private:
    static constexpr uint32_t kMsrs = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8;
    static constexpr std::array<uint32_t, 2> kBases = {0, 0xc0000000};
    using Bitmap = std::array<uint8_t, KVM_MSR_FILTER_MAX_BITMAP_SIZE>;

    struct Bitmaps {
        std::array<Bitmap, 2> read{};
        std::array<Bitmap, 2> write{};
    };
    std::unique_ptr<Bitmaps> bitmaps_ = std::make_unique<Bitmaps>();
};

}  // namespace vtless::kvm
