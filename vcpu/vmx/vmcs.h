// SPDX-License-Identifier: MIT
// The current VMCS. A refused access is remembered, not returned: it means a broken processor or another
// VMCS being current, and run() reports it.
#pragma once

#include <cstdint>

#include "isa/x86/segment.h"
#include "isa/x86/vmx_hw.h"
#include "vcpu/vmx/failure.h"

namespace vtless::vmx {

template <x86::VmxHw Hw>
class Vmcs {
  public:
    explicit Vmcs(Hw& hw) : hw_(&hw) {}

    [[gnu::always_inline]] uint64_t read(x86::VmcsField field) {
        uint64_t value = 0;
        if (!hw_->vmread(field, value).ok()) [[unlikely]]
            remember(field);
        return value;
    }
    uint32_t read32(x86::VmcsField field) { return static_cast<uint32_t>(read(field)); }
    [[gnu::always_inline]] void write(x86::VmcsField field, uint64_t value) {
        if (!hw_->vmwrite(field, value).ok()) [[unlikely]]
            remember(field);
    }

    bool failed() const { return failed_; }
    // The first refusal since the last call.
    Result<void> take_failure() {
        if (!failed_) return {};
        failed_ = false;
        return fail_with(VCpuErrc::Backend, Failure::VmcsAccess, x86::encoding(first_refused_));
    }

    x86::Segment segment(x86::SegmentRegister which) {
        return {static_cast<uint16_t>(read(nth(x86::VmcsField::GUEST_ES_SELECTOR, which))),
                read(nth(x86::VmcsField::GUEST_ES_BASE, which)),
                read32(nth(x86::VmcsField::GUEST_ES_LIMIT, which)),
                {read32(nth(x86::VmcsField::GUEST_ES_ACCESS_RIGHTS, which))}};
    }
    void set_segment(x86::SegmentRegister which, const x86::Segment& value) {
        write(nth(x86::VmcsField::GUEST_ES_SELECTOR, which), value.selector);
        write(nth(x86::VmcsField::GUEST_ES_BASE, which), value.base);
        write(nth(x86::VmcsField::GUEST_ES_LIMIT, which), value.limit);
        write(nth(x86::VmcsField::GUEST_ES_ACCESS_RIGHTS, which), value.rights.raw);
    }
    x86::AccessRights rights(x86::SegmentRegister which) {
        return {read32(nth(x86::VmcsField::GUEST_ES_ACCESS_RIGHTS, which))};
    }
    uint64_t segment_base(x86::SegmentRegister which) {
        return read(nth(x86::VmcsField::GUEST_ES_BASE, which));
    }

  private:
    // The field of segment register `which`, given the one of ES.
    static x86::VmcsField nth(x86::VmcsField of_es, x86::SegmentRegister which) {
        return static_cast<x86::VmcsField>(x86::encoding(of_es) + 2 * static_cast<uint32_t>(which));
    }
    [[gnu::cold]] void remember(x86::VmcsField field) {
        if (!failed_) first_refused_ = field;
        failed_ = true;
    }

    Hw* hw_;
    x86::VmcsField first_refused_{};
    bool failed_ = false;
};

}  // namespace vtless::vmx
