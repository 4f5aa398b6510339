// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/fake_hw.h"

#include "isa/x86/cpuid.h"

namespace vtless::test {

using x86::Msr;
using x86::VmInstructionError;
using x86::VmxStatus;

FakeHw::FakeHw() {
    using namespace x86;
    constexpr uint64_t kAnything = 0xffffffffull << 32;
    msrs = {{Msr::IA32_VMX_BASIC, 0x12 | uint64_t{4096} << 32 | uint64_t{6} << 50 |
                                      VmxBasic::kInsOutsInformation | VmxBasic::kTrueControls},
            {Msr::IA32_FEATURE_CONTROL, feature_control::LOCK | feature_control::VMX_OUTSIDE_SMX},
            {Msr::IA32_VMX_TRUE_PINBASED_CTLS, kPinDefault1 | kAnything},
            {Msr::IA32_VMX_TRUE_PROCBASED_CTLS,
             (kPrimaryDefault1 & ~(PrimaryControls::CR3_LOAD_EXITING | PrimaryControls::CR3_STORE_EXITING)) |
                 kAnything},
            {Msr::IA32_VMX_PROCBASED_CTLS2, kAnything},
            {Msr::IA32_VMX_TRUE_EXIT_CTLS, 0x36dfb | kAnything},
            {Msr::IA32_VMX_TRUE_ENTRY_CTLS, 0x11fb | kAnything},
            {Msr::IA32_VMX_CR0_FIXED0, 0x80000021},
            {Msr::IA32_VMX_CR0_FIXED1, 0xffffffff},
            {Msr::IA32_VMX_CR4_FIXED0, cr4::VMXE},
            {Msr::IA32_VMX_CR4_FIXED1, 0x3767ff},
            {Msr::IA32_VMX_EPT_VPID_CAP, ~uint64_t{0}},
            {Msr::IA32_PAT, kPatReset},
            {Msr::IA32_EFER, efer::LME | efer::LMA},
            {Msr::IA32_SYSENTER_CS, 0x10},
            {Msr::IA32_SYSENTER_ESP, 0x8000},
            {Msr::IA32_SYSENTER_EIP, 0x9000},
            {Msr::IA32_STAR, 1},
            {Msr::IA32_LSTAR, 2},
            {Msr::IA32_CSTAR, 3},
            {Msr::IA32_FMASK, 4},
            {Msr::IA32_KERNEL_GS_BASE, 5}};
    using namespace cpuid;
    cpuids[{kFeatures, 0}] = {0, 0,
                              leaf1_ecx::VMX | leaf1_ecx::XSAVE | leaf1_ecx::MONITOR | leaf1_ecx::X2APIC,
                              leaf1_edx::MCE | leaf1_edx::MCA | leaf1_edx::APIC | leaf1_edx::FPU};
    cpuids[{kXsave, 0}] = {0xe7, 0, 0, 0};
    cpuids[{kExtendedMax, 0}] = {kAddressSizes, 0, 0, 0};
    cpuids[{kExtendedFeatures, 0}] = {0, 0, feature_bit(2), extended_edx::NX | extended_edx::RDTSCP};
    cpuids[{kAddressSizes, 0}] = {40 | 48 << 8, 0, 0, 0};
}

VmxStatus FakeHw::vmxon(Hpa region) {
    const uint8_t* bytes = memory_.map(region);
    if ((cr4 & x86::cr4::VMXE) == 0) return VmxStatus::fault(x86::Vector::UD);
    if (bytes[0] != 0x12) return VmxStatus::fail_invalid();
    in_vmx = true;
    return ok();
}

VmxStatus FakeHw::vmxoff() {
    in_vmx = false;
    return ok();
}

VmxStatus FakeHw::vmclear(Hpa address) {
    vmcss[address.value()].launched = false;
    if (current == address.value()) current = kNone;
    return ok();
}

VmxStatus FakeHw::vmptrld(Hpa address) {
    if (memory_.map(address)[0] != 0x12)
        return VmxStatus::fail_valid(VmInstructionError::VMPTRLD_INCORRECT_REVISION);
    current = address.value();
    return ok();
}

VmxStatus FakeHw::vmread(VmcsField which, uint64_t& value) {
    ++vmreads;
    if (current == kNone) return VmxStatus::fail_invalid();
    if (which == refused_field) return VmxStatus::fail_valid(VmInstructionError::UNSUPPORTED_VMCS_COMPONENT);
    value = field(which) & x86::access_mask(which);
    return ok();
}

VmxStatus FakeHw::vmwrite(VmcsField which, uint64_t value) {
    ++vmwrites;
    if (current == kNone) return VmxStatus::fail_invalid();
    if (which == refused_field) return VmxStatus::fail_valid(VmInstructionError::UNSUPPORTED_VMCS_COMPONENT);
    if (x86::is_read_only(which))
        return VmxStatus::fail_valid(VmInstructionError::VMWRITE_READ_ONLY_COMPONENT);
    field(which) = value & x86::access_mask(which);
    return ok();
}

VmxStatus FakeHw::rdmsr(Msr msr, uint64_t& value) {
    const auto found = msrs.find(msr);
    if (found == msrs.end()) return VmxStatus::fault(x86::Vector::GP);
    value = found->second;
    return ok();
}

VmxStatus FakeHw::wrmsr(Msr msr, uint64_t value) {
    const auto found = msrs.find(msr);
    if (found == msrs.end()) return VmxStatus::fault(x86::Vector::GP);
    found->second = value;
    return ok();
}

VmxStatus FakeHw::xgetbv(uint32_t, uint64_t& value) {
    if (!has_xsave) return VmxStatus::fault(x86::Vector::UD);
    value = xcr0;
    return ok();
}

x86::CpuidResult FakeHw::cpuid(uint32_t leaf, uint32_t subleaf) {
    xcr0_at_cpuid = xcr0;
    const auto found = cpuids.find({leaf, subleaf});
    return found == cpuids.end() ? x86::CpuidResult{} : found->second;
}

// SDM Vol. 3C "Checks on Guest RIP, RFLAGS, and SSP" and "Checks on Guest Non-Register State".
bool FakeHw::accepts_injection() {
    using namespace x86::interruptibility;
    const x86::EventInfo event{static_cast<uint32_t>(field(VmcsField::VM_ENTRY_INTERRUPTION_INFORMATION))};
    const uint64_t state = field(VmcsField::GUEST_INTERRUPTIBILITY_STATE);
    if (!event.valid()) return true;
    if ((event.raw & x86::EventInfo::kEntryReserved) != 0) return false;
    const bool shadow = (state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) != 0;
    switch (event.type()) {
        case x86::EventType::EXTERNAL_INTERRUPT:
            return !shadow && (field(VmcsField::GUEST_RFLAGS) & x86::rflags::IF) != 0;
        case x86::EventType::NMI:
            return !shadow && (state & BLOCKING_BY_NMI) == 0;
        case x86::EventType::HARDWARE_EXCEPTION: {
            const bool protection = (field(VmcsField::GUEST_CR0) & x86::cr0::PE) != 0;
            const bool wanted = protection && x86::has_error_code(static_cast<x86::Vector>(event.vector()));
            return event.has_error_code() == wanted;
        }
        default:
            return true;
    }
}

VmxStatus FakeHw::enter(Gprs& gprs, bool launch) {
    if (!in_vmx) return VmxStatus::fault(x86::Vector::UD);
    if (current == kNone) return VmxStatus::fail_invalid();
    if (entry_status_) {
        const VmxStatus status = *entry_status_;
        entry_status_.reset();
        return status;
    }
    Vmcs& vmcs = vmcss[current];
    if (launch && vmcs.launched) return VmxStatus::fail_valid(VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS);
    if (!launch && !vmcs.launched)
        return VmxStatus::fail_valid(VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS);
    const x86::PrimaryControls primary{
        {static_cast<uint32_t>(field(VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS))}};
    entries.push_back({launch,
                       {static_cast<uint32_t>(field(VmcsField::VM_ENTRY_INTERRUPTION_INFORMATION))},
                       static_cast<uint32_t>(field(VmcsField::VM_ENTRY_EXCEPTION_ERROR_CODE)),
                       field(VmcsField::VM_ENTRY_INSTRUCTION_LENGTH),
                       xcr0,
                       cr2,
                       primary.has(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING),
                       primary.has(x86::PrimaryControls::NMI_WINDOW_EXITING)});
    if (!accepts_injection()) {
        set_exit(static_cast<uint32_t>(x86::ExitReason::ENTRY_FAILURE_GUEST_STATE) |
                 x86::ExitReasonField::kEntryFailure);
        return ok();
    }
    if (script_.empty()) return VmxStatus::fail_valid(VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS);
    gprs_ = &gprs;
    const Guest guest = script_.front();
    script_.pop_front();
    guest(*this);
    if ((field(VmcsField::EXIT_REASON) & x86::ExitReasonField::kEntryFailure) != 0) return ok();
    vmcs.launched = true;
    field(VmcsField::VM_ENTRY_INTERRUPTION_INFORMATION) &= 0x7fffffff;
    return ok();
}

}  // namespace vtless::test
