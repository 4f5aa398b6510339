// SPDX-License-Identifier: MIT
// The host state that VM exits load, and the MSRs of guest and host that bind and unbind exchange.
// SDM Vol. 3C "Host-State Area" (25.5).
#pragma once

#include "vcpu/vmx/xstate.h"

namespace vtless::vmx {

namespace host_detail {

// Neither VM entry nor VM exit touches these, and the host uses them only where no guest can be bound.
inline constexpr x86::Msr kExchanged[] = {x86::Msr::IA32_STAR,           x86::Msr::IA32_LSTAR,
                                          x86::Msr::IA32_CSTAR,          x86::Msr::IA32_FMASK,
                                          x86::Msr::IA32_KERNEL_GS_BASE, x86::Msr::IA32_TSC_AUX};
inline constexpr size_t kExchangedCount = sizeof(kExchanged) / sizeof(kExchanged[0]);

template <class Hw>
void write_msr_fields(Core<Hw>& core) {
    using x86::Msr;
    using x86::VmcsField;
    struct {
        Msr msr;
        VmcsField field;
        bool wanted;
    } const fields[] = {
        {Msr::IA32_SYSENTER_CS, VmcsField::HOST_IA32_SYSENTER_CS, true},
        {Msr::IA32_SYSENTER_ESP, VmcsField::HOST_IA32_SYSENTER_ESP, true},
        {Msr::IA32_SYSENTER_EIP, VmcsField::HOST_IA32_SYSENTER_EIP, true},
        {Msr::IA32_EFER, VmcsField::HOST_IA32_EFER, true},
        {Msr::IA32_PAT, VmcsField::HOST_IA32_PAT, core.controls.exit.has(x86::ExitControls::LOAD_IA32_PAT)}};
    for (const auto& item : fields) {
        uint64_t value = 0;
        if (item.wanted && core.hw->rdmsr(item.msr, value).ok()) core.vmcs.write(item.field, value);
    }
}

// VM entry wants RPL and TI of each host selector clear.
template <class Hw>
void write_selectors(Core<Hw>& core) {
    using x86::SegmentRegister;
    using x86::VmcsField;
    constexpr struct {
        SegmentRegister segment;
        VmcsField field;
    } kSelectors[] = {{SegmentRegister::ES, VmcsField::HOST_ES_SELECTOR},
                      {SegmentRegister::CS, VmcsField::HOST_CS_SELECTOR},
                      {SegmentRegister::SS, VmcsField::HOST_SS_SELECTOR},
                      {SegmentRegister::DS, VmcsField::HOST_DS_SELECTOR},
                      {SegmentRegister::FS, VmcsField::HOST_FS_SELECTOR},
                      {SegmentRegister::GS, VmcsField::HOST_GS_SELECTOR},
                      {SegmentRegister::TR, VmcsField::HOST_TR_SELECTOR}};
    for (const auto& item : kSelectors)
        core.vmcs.write(item.field, core.hw->selector(item.segment) & 0xfff8u);
}

}  // namespace host_detail

using ExchangedMsrs = std::array<uint64_t, host_detail::kExchangedCount>;

// Whatever of the host may have changed since the last bind. HOST_RSP and HOST_RIP belong to the processor's
// own vmlaunch and vmresume, which know where they return to.
template <class Hw>
void write_host_state(Core<Hw>& core) {
    using x86::SegmentRegister;
    using x86::VmcsField;
    Vmcs<Hw>& vmcs = core.vmcs;
    vmcs.write(VmcsField::HOST_CR0, core.hw->read_cr0());
    vmcs.write(VmcsField::HOST_CR3, core.hw->read_cr3());
    vmcs.write(VmcsField::HOST_CR4, core.hw->read_cr4());
    host_detail::write_selectors(core);
    vmcs.write(VmcsField::HOST_FS_BASE, core.hw->segment_base(SegmentRegister::FS));
    vmcs.write(VmcsField::HOST_GS_BASE, core.hw->segment_base(SegmentRegister::GS));
    vmcs.write(VmcsField::HOST_TR_BASE, core.hw->segment_base(SegmentRegister::TR));
    vmcs.write(VmcsField::HOST_GDTR_BASE, core.hw->sgdt().base);
    vmcs.write(VmcsField::HOST_IDTR_BASE, core.hw->sidt().base);
    host_detail::write_msr_fields(core);
}

// Swaps the processor's values with `other`. MSRs that the processor does not have are left out.
template <class Hw>
void exchange_msrs(Hw& hw, ExchangedMsrs& other) {
    for (size_t i = 0; i < other.size(); ++i) {
        uint64_t now = 0;
        if (!hw.rdmsr(host_detail::kExchanged[i], now).ok()) continue;
        if (now == other[i] || hw.wrmsr(host_detail::kExchanged[i], other[i]).ok()) other[i] = now;
    }
}

}  // namespace vtless::vmx
