// SPDX-License-Identifier: MIT
// VmxVCpu's set-up, bind and unbind. Included by vmx_vcpu.h.
#pragma once

#include "vcpu/vmx/vmx_vcpu.h"

namespace vtless::vmx {

template <x86::VmxHw Hw, class Policy>
Result<void> VmxVCpu<Hw, Policy>::setup(const SetupConfig& config) {
    core_.config = config;
    if (config.apic_base.page_offset() != 0) return fail(VCpuErrc::InvalidInput, config.apic_base.value());
    if (const auto done = choose_controls(core_); !done) return done;
    if (const auto done = find_features(core_); !done) return done;
    MsrPassThroughList passed = config.passed_msrs;
    if (!switches_pat(core_.controls)) passed = without(passed, x86::Msr::IA32_PAT);
    if (!core_.has(x86::SecondaryControls::ENABLE_RDTSCP)) passed = without(passed, x86::Msr::IA32_TSC_AUX);
    if (const auto done = fill_msr_bitmap(passed, core_.frames.bytes(kMsrBitmapFrame)); !done) return done;
    fill_io_bitmaps(config, core_.frames.bytes(kIoBitmapAFrame), core_.frames.bytes(kIoBitmapBFrame));
    const auto basic = setup_detail::read_msr(*core_.hw, x86::Msr::IA32_VMX_BASIC);
    if (!basic) return Unexpected(basic.error());
    write_revision(core_.frames.bytes(kVmcsFrame), x86::VmxBasic{*basic}.revision());
    return fill_vmcs();
}

// Makes the VMCS current for as long as it takes, and gives the processor back the one that it had.
template <x86::VmxHw Hw, class Policy>
Result<void> VmxVCpu<Hw, Policy>::fill_vmcs() {
    Hw& hw = *core_.hw;
    Hpa previous;
    if (const auto done = check(Instruction::VMPTRST, hw.vmptrst(previous)); !done) return done;
    if (const auto done = load_clear_vmcs(); !done) return done;
    Result<void> written = write_vmcs(core_);
    if (written) written = flush_tlb();
    core_.rsp = core_.config.entry_state.gprs[static_cast<unsigned>(x86::Gpr::RSP)];
    const auto cleared = check(Instruction::VMCLEAR, hw.vmclear(vmcs_address()));
    if (previous != Hpa(~uint64_t{0}) && previous != vmcs_address()) {
        const auto restored = check(Instruction::VMPTRLD, hw.vmptrld(previous));
        if (!restored) return restored;
    }
    return written ? cleared : written;
}

template <x86::VmxHw Hw, class Policy>
Result<void> VmxVCpu<Hw, Policy>::load_clear_vmcs() {
    const auto cleared = check(Instruction::VMCLEAR, core_.hw->vmclear(vmcs_address()));
    if (!cleared) return cleared;
    core_.launched = false;
    return check(Instruction::VMPTRLD, core_.hw->vmptrld(vmcs_address()));
}

template <x86::VmxHw Hw, class Policy>
Result<void> VmxVCpu<Hw, Policy>::bind() {
    if (const auto done = check(Instruction::VMPTRLD, core_.hw->vmptrld(vmcs_address())); !done) return done;
    core_.loaded = true;
    write_host_state(core_);
    read_host_xstate(core_);
    if (core_.rsp_changed) core_.vmcs.write(x86::VmcsField::GUEST_RSP, core_.rsp);
    core_.rsp_changed = false;
    exchange_state();
    return core_.vmcs.take_failure();
}

template <x86::VmxHw Hw, class Policy>
Result<void> VmxVCpu<Hw, Policy>::unbind() {
    if (!core_.loaded) return fail_with(VCpuErrc::Backend, Failure::NotBound);
    core_.rsp = core_.vmcs.read(x86::VmcsField::GUEST_RSP);
    exchange_state();
    core_.loaded = false;
    core_.launched = false;
    core_.pending.kind = Pending::Kind::None;
    if (const auto done = check(Instruction::VMCLEAR, core_.hw->vmclear(vmcs_address())); !done) return done;
    return core_.vmcs.take_failure();
}

// What VM entry and exit do not switch: some MSRs, CR2.
template <x86::VmxHw Hw, class Policy>
void VmxVCpu<Hw, Policy>::exchange_state() {
    exchange_msrs(*core_.hw, other_msrs_);
    const uint64_t cr2 = core_.hw->read_cr2();
    (void)core_.hw->write_cr2(other_cr2_);  // cannot fault at CPL 0
    other_cr2_ = cr2;
}

template <x86::VmxHw Hw, class Policy>
Result<void> VmxVCpu<Hw, Policy>::flush_tlb() {
    using C = x86::EptVpidCapability;
    const bool single = core_.features.ept_vpid.has(C::kInveptSingleContext);
    if (core_.features.ept_vpid.has(C::kInvept)) {
        const auto type = single ? x86::InveptType::SINGLE_CONTEXT : x86::InveptType::ALL_CONTEXT;
        const auto done = check(Instruction::INVEPT, core_.hw->invept(type, {core_.eptp.raw, 0}));
        if (!done) return done;
    }
    core_.flush_guest_tlb();
    return check(Instruction::INVVPID, std::exchange(core_.flush_failure, x86::VmxStatus::succeed()));
}

}  // namespace vtless::vmx
