// SPDX-License-Identifier: MIT
#include "tests/sim/vmx/broken_vmcs.h"

#include "isa/bits.h"
#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::EntryControls;
using x86::EventInfo;
using x86::EventType;
using x86::ExitControls;
using x86::PinControls;
using x86::PrimaryControls;
using x86::SecondaryControls;

VmxCapabilities without_accessed_dirty() {
    VmxCapabilities can = kEngineCapabilities;
    can.ept_vpid.raw &= ~x86::EptVpidCapability::kAccessedDirty;
    return can;
}

VmxCapabilities without_5_levels() {
    VmxCapabilities can = kEngineCapabilities;
    can.ept_vpid.raw &= ~x86::EptVpidCapability::kWalkLength5;
    return can;
}

VmxCapabilities without_eptp_switching() {
    VmxCapabilities can = kEngineCapabilities;
    can.vmfunc = 0;
    return can;
}

VmxCapabilities without_optional_error_code() {
    VmxCapabilities can = kEngineCapabilities;
    can.basic.raw &= ~x86::VmxBasic::kErrorCodeOptional;
    return can;
}

VmxCapabilities without_zero_length() {
    VmxCapabilities can = kEngineCapabilities;
    can.misc.raw &= ~x86::VmxMisc::kZeroLengthInjection;
    return can;
}

VmxCapabilities without_monitor_trap_flag() {
    VmxCapabilities can = kEngineCapabilities;
    can.primary.raw &= ~(uint64_t{PrimaryControls::MONITOR_TRAP_FLAG} << 32);
    return can;
}

// n: the state's bit above that of HLT.
VmxCapabilities without_activity(unsigned n) {
    VmxCapabilities can = kEngineCapabilities;
    can.misc.raw &= ~(x86::VmxMisc::kActivityHlt << n);
    return can;
}

constexpr uint64_t kNonCanonical = 0x0000800000000000;
constexpr uint64_t kTooWide = uint64_t{1} << capability::kPhysicalBits;
constexpr uint64_t kGoodCr0 = x86::cr0::PE | x86::cr0::NE | x86::cr0::PG;
constexpr uint64_t kGoodCr4 = x86::cr4::PAE | x86::cr4::VMXE;
constexpr F kPin = F::PIN_BASED_VM_EXECUTION_CONTROLS;
constexpr F kPrimary = F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr F kSecondary = F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr F kInfo = F::VM_ENTRY_INTERRUPTION_INFORMATION;

uint64_t pin(uint32_t bits) { return capability::kPin.adjust({{bits}}).raw; }
uint64_t primary(uint32_t bits) {
    return capability::kPrimary.adjust({{bits | PrimaryControls::ACTIVATE_SECONDARY_CONTROLS}}).raw;
}
uint64_t exit_controls(uint32_t bits) { return capability::kExit.adjust({{bits}}).raw; }
uint64_t entry_controls(uint32_t bits) { return capability::kEntry.adjust({{bits}}).raw; }
uint64_t info(EventType type, unsigned vector, bool error_code = false) {
    return EventInfo::make(type, static_cast<uint8_t>(vector), error_code).raw;
}
constexpr uint32_t kRestricted = SecondaryControls::ENABLE_EPT | SecondaryControls::ENABLE_VPID;
constexpr uint32_t kFull = kRestricted | SecondaryControls::UNRESTRICTED_GUEST;

std::vector<VmcsWrite> followed_by(std::vector<VmcsWrite> writes, const std::vector<VmcsWrite>& more) {
    writes.insert(writes.end(), more.begin(), more.end());
    return writes;
}

// With virtual-interrupt delivery, and with posted interrupts.
std::vector<VmcsWrite> delivery(const std::vector<VmcsWrite>& more) {
    return followed_by({{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
                        {kSecondary, kFull | SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY},
                        {F::VIRTUAL_APIC_ADDRESS, kVirtualApic}},
                       more);
}
std::vector<VmcsWrite> posting(const std::vector<VmcsWrite>& more) {
    constexpr uint32_t kPosting =
        PinControls::EXTERNAL_INTERRUPT_EXITING | PinControls::PROCESS_POSTED_INTERRUPTS;
    return followed_by(delivery({{kPin, pin(kPosting)},
                                 {F::POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0xf2},
                                 {F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x5040}}),
                       more);
}

}  // namespace

std::vector<VmcsWrite> v8086(std::vector<VmcsWrite> more) {
    std::vector<VmcsWrite> writes = {{F::VM_ENTRY_CONTROLS, entry_controls(0)},
                                     {F::GUEST_CR0, kGoodCr0},
                                     {F::GUEST_CR4, x86::cr4::VMXE},
                                     {F::GUEST_RFLAGS, x86::rflags::VM | 2},
                                     {F::GUEST_TR_ACCESS_RIGHTS, 0x8b}};
    constexpr F kSegments[6][4] = {
        {F::GUEST_ES_SELECTOR, F::GUEST_ES_BASE, F::GUEST_ES_LIMIT, F::GUEST_ES_ACCESS_RIGHTS},
        {F::GUEST_CS_SELECTOR, F::GUEST_CS_BASE, F::GUEST_CS_LIMIT, F::GUEST_CS_ACCESS_RIGHTS},
        {F::GUEST_SS_SELECTOR, F::GUEST_SS_BASE, F::GUEST_SS_LIMIT, F::GUEST_SS_ACCESS_RIGHTS},
        {F::GUEST_DS_SELECTOR, F::GUEST_DS_BASE, F::GUEST_DS_LIMIT, F::GUEST_DS_ACCESS_RIGHTS},
        {F::GUEST_FS_SELECTOR, F::GUEST_FS_BASE, F::GUEST_FS_LIMIT, F::GUEST_FS_ACCESS_RIGHTS},
        {F::GUEST_GS_SELECTOR, F::GUEST_GS_BASE, F::GUEST_GS_LIMIT, F::GUEST_GS_ACCESS_RIGHTS}};
    for (const auto& s : kSegments) {
        writes.insert(writes.end(), {{s[0], 0x1000}, {s[1], 0x10000}, {s[2], 0xffff}, {s[3], 0xf3}});
    }
    writes.insert(writes.end(), more.begin(), more.end());
    return writes;
}

std::vector<BrokenVmcs> broken_controls() {
    return {
        {"controls.pin.reserved", {{kPin, 0}}},
        {"controls.pin.reserved", {{kPin, pin(0) | 1u << 8}}},
        {"controls.primary.reserved", {{kPrimary, 0}}},
        {"controls.primary.reserved", {{kPrimary, primary(0) | PrimaryControls::ACTIVATE_TERTIARY_CONTROLS}}},
        {"controls.secondary.reserved",
         {{kSecondary, kRestricted | SecondaryControls::ENABLE_ENCLS_EXITING}}},
        {"controls.cr3_target_count", {{F::CR3_TARGET_COUNT, 5}}},
        {"controls.io_bitmap_a.address",
         {{kPrimary, primary(PrimaryControls::USE_IO_BITMAPS)}, {F::IO_BITMAP_A, 0x1800}}},
        {"controls.io_bitmap_b.address",
         {{kPrimary, primary(PrimaryControls::USE_IO_BITMAPS)}, {F::IO_BITMAP_B, kTooWide}}},
        {"controls.msr_bitmap.address",
         {{kPrimary, primary(PrimaryControls::USE_MSR_BITMAPS)}, {F::MSR_BITMAP, 8}}},
        {"controls.virtual_apic.address",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)}, {F::VIRTUAL_APIC_ADDRESS, 0x4800}}},
        {"controls.virtual_apic.address",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)}, {F::VIRTUAL_APIC_ADDRESS, kTooWide}}},
        {"controls.tpr_threshold.reserved",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {F::VIRTUAL_APIC_ADDRESS, kVirtualApic},
          {F::TPR_THRESHOLD, 0x10}}},
        {"controls.tpr_threshold.above_vtpr",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {F::VIRTUAL_APIC_ADDRESS, kVirtualApic},
          {F::TPR_THRESHOLD, 6}}},
        {"controls.x2apic.needs_tpr_shadow",
         {{kSecondary, kFull | SecondaryControls::VIRTUALIZE_X2APIC_MODE}}},
        {"controls.apic_registers.needs_tpr_shadow",
         {{kSecondary, kFull | SecondaryControls::APIC_REGISTER_VIRTUALIZATION}}},
        {"controls.virtual_interrupts.needs_tpr_shadow",
         {{kSecondary, kFull | SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY}}},
        {"controls.virtual_interrupts.needs_external_interrupt_exiting",
         delivery({{kPin, pin(PinControls::NMI_EXITING)}})},
        {"controls.posted_interrupts.needs_virtual_interrupts",
         {{kPin, pin(PinControls::EXTERNAL_INTERRUPT_EXITING | PinControls::PROCESS_POSTED_INTERRUPTS)}}},
        {"controls.posted_interrupts.needs_acknowledge",
         posting({{F::VM_EXIT_CONTROLS, exit_controls(ExitControls::HOST_ADDRESS_SPACE_SIZE)}})},
        {"controls.posted_interrupts.vector", posting({{F::POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0x1f2}})},
        {"controls.posted_interrupts.descriptor",
         posting({{F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x5020}})},
        {"controls.posted_interrupts.descriptor",
         posting({{F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, kTooWide}})},
        {"controls.x2apic.with_apic_accesses",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {kSecondary,
           kFull | SecondaryControls::VIRTUALIZE_X2APIC_MODE | SecondaryControls::VIRTUALIZE_APIC_ACCESSES}}},
        {"controls.apic_access.address",
         {{kSecondary, kFull | SecondaryControls::VIRTUALIZE_APIC_ACCESSES},
          {F::APIC_ACCESS_ADDRESS, 0x4010}}},
        {"controls.apic_access.address",
         {{kSecondary, kFull | SecondaryControls::VIRTUALIZE_APIC_ACCESSES},
          {F::APIC_ACCESS_ADDRESS, kTooWide}}},
        {"controls.virtual_nmis.needs_nmi_exiting", {{kPin, pin(PinControls::VIRTUAL_NMIS)}}},
        {"controls.nmi_window.needs_virtual_nmis",
         {{kPrimary, primary(PrimaryControls::NMI_WINDOW_EXITING)}}},
        {"controls.tsc_multiplier.zero",
         {{kSecondary, kRestricted | SecondaryControls::USE_TSC_SCALING}, {F::TSC_MULTIPLIER, 0}}},
        {"controls.vpid.zero", {{F::VPID, 0}}},
        {"controls.eptp.memory_type", {{F::EPT_POINTER, 0x10000 | 1 | 3 << 3}}},
        {"controls.eptp.walk_length", {{F::EPT_POINTER, 0x10000 | 6 | 5 << 3}}},
        {"controls.eptp.walk_length", {{F::EPT_POINTER, 0x10000 | 6 | 2 << 3}}},
        {"controls.eptp.walk_length", {{F::EPT_POINTER, 0x10000 | 6 | 4 << 3}}, true, without_5_levels()},
        {"controls.eptp.accessed_dirty",
         {{F::EPT_POINTER, 0x10040 | 6 | 3 << 3}},
         true,
         without_accessed_dirty()},
        {"controls.eptp.reserved", {{F::EPT_POINTER, 0x10080 | 6 | 3 << 3}}},
        {"controls.eptp.reserved", {{F::EPT_POINTER, kTooWide | 6 | 3 << 3}}},
        {"controls.unrestricted_guest.needs_ept", {{kSecondary, SecondaryControls::UNRESTRICTED_GUEST}}},
        {"controls.pml.needs_ept", {{kSecondary, SecondaryControls::ENABLE_PML}}},
        {"controls.pml.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_PML}, {F::PML_ADDRESS, 0x10800}}},
        {"controls.pml.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_PML}, {F::PML_ADDRESS, kTooWide}}},
        {"controls.mode_based_execute.needs_ept",
         {{kSecondary, SecondaryControls::MODE_BASED_EXECUTE_CONTROL_FOR_EPT}}},
        {"controls.vm_functions.reserved",
         {{kSecondary, kFull | SecondaryControls::ENABLE_VM_FUNCTIONS}, {F::VM_FUNCTION_CONTROLS, 2}}},
        {"controls.vm_functions.reserved",
         {{kSecondary, kFull | SecondaryControls::ENABLE_VM_FUNCTIONS}, {F::VM_FUNCTION_CONTROLS, 1}},
         true,
         without_eptp_switching()},
        {"controls.eptp_switching.needs_ept",
         {{kSecondary, SecondaryControls::ENABLE_VM_FUNCTIONS}, {F::VM_FUNCTION_CONTROLS, 1}}},
        {"controls.eptp_list.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_VM_FUNCTIONS},
          {F::VM_FUNCTION_CONTROLS, 1},
          {F::EPTP_LIST_ADDRESS, 0x10008}}},
        {"controls.eptp_list.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_VM_FUNCTIONS},
          {F::VM_FUNCTION_CONTROLS, 1},
          {F::EPTP_LIST_ADDRESS, kTooWide}}},
        {"controls.vmread_bitmap.address",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING}, {F::VMREAD_BITMAP_ADDRESS, 0x800}}},
        {"controls.vmread_bitmap.address",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING}, {F::VMREAD_BITMAP_ADDRESS, kTooWide}}},
        {"controls.vmwrite_bitmap.address",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING}, {F::VMWRITE_BITMAP_ADDRESS, 0x1001}}},
        {"controls.vmwrite_bitmap.address",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING}, {F::VMWRITE_BITMAP_ADDRESS, kTooWide}}},
        {"controls.virtualization_exception.address",
         {{kSecondary, kFull | SecondaryControls::EPT_VIOLATION_VE},
          {F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, 0x10001}}},
        {"controls.virtualization_exception.address",
         {{kSecondary, kFull | SecondaryControls::EPT_VIOLATION_VE},
          {F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, kTooWide}}},
        {"controls.exit.reserved", {{F::VM_EXIT_CONTROLS, 0}}},
        {"controls.exit.reserved",
         {{F::VM_EXIT_CONTROLS, exit_controls(0) | ExitControls::CLEAR_IA32_BNDCFGS}}},
        {"controls.exit.save_timer_needs_timer",
         {{F::VM_EXIT_CONTROLS, exit_controls(ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE)}}},
        {"controls.exit.msr_store_area",
         {{F::VM_EXIT_MSR_STORE_COUNT, 1}, {F::VM_EXIT_MSR_STORE_ADDRESS, 8}}},
        {"controls.exit.msr_load_area",
         {{F::VM_EXIT_MSR_LOAD_COUNT, 2}, {F::VM_EXIT_MSR_LOAD_ADDRESS, kTooWide - 16}}},
        {"controls.entry.reserved", {{F::VM_ENTRY_CONTROLS, 0}}},
        {"controls.entry.reserved",
         {{F::VM_ENTRY_CONTROLS, entry_controls(0) | EntryControls::ENTRY_TO_SMM}}},
        {"controls.entry.msr_load_area",
         {{F::VM_ENTRY_MSR_LOAD_COUNT, 1}, {F::VM_ENTRY_MSR_LOAD_ADDRESS, kTooWide}}},
    };
}

std::vector<BrokenVmcs> broken_injection() {
    return {
        {"injection.type", {{kInfo, info(static_cast<EventType>(1), 0x30)}}},
        {"injection.type.monitor_trap_flag",
         {{kInfo, info(EventType::OTHER, 0)}},
         true,
         without_monitor_trap_flag()},
        {"injection.vector", {{kInfo, info(EventType::OTHER, 1)}}},
        {"injection.vector", {{kInfo, info(EventType::NMI, 3)}}},
        {"injection.vector", {{kInfo, info(EventType::HARDWARE_EXCEPTION, 32)}}},
        {"injection.error_code_valid",
         {{kInfo, info(EventType::HARDWARE_EXCEPTION, 13)}},
         true,
         without_optional_error_code()},
        {"injection.error_code_valid",
         {{kInfo, info(EventType::HARDWARE_EXCEPTION, 6, true)}},
         true,
         without_optional_error_code()},
        {"injection.error_code_valid",
         {{kInfo, info(EventType::HARDWARE_EXCEPTION, 21, true)}},
         true,
         without_optional_error_code()},
        {"injection.error_code_valid",
         {{kInfo, info(EventType::HARDWARE_EXCEPTION, 13, true)},
          {F::GUEST_CR0, x86::cr0::NE},
          {F::VM_ENTRY_CONTROLS, entry_controls(0)}}},
        {"injection.error_code_valid", {{kInfo, info(EventType::SOFTWARE_INTERRUPT, 13, true)}}},
        {"injection.reserved", {{kInfo, info(EventType::HARDWARE_EXCEPTION, 6) | 1u << 12}}},
        {"injection.error_code",
         {{kInfo, info(EventType::HARDWARE_EXCEPTION, 13, true)},
          {F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0x10000}}},
        {"injection.instruction_length",
         {{kInfo, info(EventType::SOFTWARE_INTERRUPT, 0x80)}},
         true,
         without_zero_length()},
        {"injection.instruction_length",
         {{kInfo, info(EventType::SOFTWARE_EXCEPTION, 3)}, {F::VM_ENTRY_INSTRUCTION_LENGTH, 16}}},
    };
}

std::vector<BrokenVmcs> broken_host() {
    return {
        {"host.cr0.fixed", {{F::HOST_CR0, kGoodCr0 & ~x86::cr0::NE}}},
        {"host.cr4.fixed", {{F::HOST_CR4, x86::cr4::PAE}}},
        {"host.cr4.fixed", {{F::HOST_CR4, kGoodCr4 | x86::cr4::PCIDE}}},
        {"host.cr3.width", {{F::HOST_CR3, kTooWide}}},
        {"host.sysenter_esp.canonical", {{F::HOST_IA32_SYSENTER_ESP, kNonCanonical}}},
        {"host.sysenter_eip.canonical", {{F::HOST_IA32_SYSENTER_EIP, kNonCanonical}}},
        {"host.pat", {{F::HOST_IA32_PAT, 2}}},
        {"host.efer.reserved", {{F::HOST_IA32_EFER, 0x1502}}},
        {"host.efer.mode", {{F::HOST_IA32_EFER, x86::efer::LME}}},
        {"host.es.selector", {{F::HOST_ES_SELECTOR, 0x13}}},
        {"host.cs.selector", {{F::HOST_CS_SELECTOR, 0x0b}}},
        {"host.ss.selector", {{F::HOST_SS_SELECTOR, 0x14}}},
        {"host.ds.selector", {{F::HOST_DS_SELECTOR, 0x11}}},
        {"host.fs.selector", {{F::HOST_FS_SELECTOR, 0x12}}},
        {"host.gs.selector", {{F::HOST_GS_SELECTOR, 0x14}}},
        {"host.tr.selector", {{F::HOST_TR_SELECTOR, 0x41}}},
        {"host.cs.null", {{F::HOST_CS_SELECTOR, 0}}},
        {"host.tr.null", {{F::HOST_TR_SELECTOR, 0}}},
        {"host.ss.null", {{F::HOST_SS_SELECTOR, 0}, {F::VM_EXIT_CONTROLS, exit_controls(0)}}},
        {"host.fs.base", {{F::HOST_FS_BASE, kNonCanonical}}},
        {"host.gs.base", {{F::HOST_GS_BASE, kNonCanonical}}},
        {"host.tr.base", {{F::HOST_TR_BASE, kNonCanonical}}},
        {"host.gdtr.base", {{F::HOST_GDTR_BASE, kNonCanonical}}},
        {"host.idtr.base", {{F::HOST_IDTR_BASE, kNonCanonical}}},
        {"host.address_space_size", {{F::VM_EXIT_CONTROLS, exit_controls(0)}}},
        {"host.address_space_size", {}, false},
        {"host.ss.null", {{F::HOST_SS_SELECTOR, 0}, {F::VM_EXIT_CONTROLS, exit_controls(0)}}, false},
        {"host.ia32e_guest", {{F::VM_EXIT_CONTROLS, exit_controls(0)}}, false},
        {"host.rip.width",
         {{F::VM_EXIT_CONTROLS, exit_controls(0)}, {F::VM_ENTRY_CONTROLS, entry_controls(0)}},
         false},
        {"host.cr4.pae", {{F::HOST_CR4, x86::cr4::VMXE}}},
        {"host.rip.canonical", {{F::HOST_RIP, kNonCanonical}}},
    };
}

std::vector<BrokenVmcs> broken_guest_registers() {
    return {
        {"guest.cr0.fixed", {{F::GUEST_CR0, x86::cr0::PE | x86::cr0::PG}}},
        {"guest.cr0.fixed", {{kSecondary, kRestricted}, {F::GUEST_CR0, x86::cr0::PE | x86::cr0::NE}}},
        {"guest.cr0.pg_without_pe", {{F::GUEST_CR0, x86::cr0::NE | x86::cr0::PG}}},
        {"guest.cr4.fixed", {{F::GUEST_CR4, x86::cr4::PAE}}},
        {"guest.cr4.fixed", {{F::GUEST_CR4, kGoodCr4 | x86::cr4::LA57}}},
        {"guest.cr0.ia32e_without_pg", {{F::GUEST_CR0, x86::cr0::PE | x86::cr0::NE}}},
        {"guest.cr4.ia32e_without_pae", {{F::GUEST_CR4, x86::cr4::VMXE}}},
        {"guest.cr3.width", {{F::GUEST_CR3, kTooWide}}},
        {"guest.debugctl.reserved", {{F::GUEST_IA32_DEBUGCTL, 1u << 5}}},
        {"guest.dr7.width", {{F::GUEST_DR7, uint64_t{1} << 32}}},
        {"guest.sysenter_esp.canonical", {{F::GUEST_IA32_SYSENTER_ESP, kNonCanonical}}},
        {"guest.sysenter_eip.canonical", {{F::GUEST_IA32_SYSENTER_EIP, kNonCanonical}}},
        {"guest.pat", {{F::GUEST_IA32_PAT, 0x0300}}},
        {"guest.efer.reserved", {{F::GUEST_IA32_EFER, 0x502}}},
        {"guest.efer.lma", {{F::GUEST_IA32_EFER, x86::efer::LME}}},
        {"guest.efer.lme", {{F::GUEST_IA32_EFER, x86::efer::LMA}}},
        {"guest.gdtr.base", {{F::GUEST_GDTR_BASE, kNonCanonical}}},
        {"guest.idtr.base", {{F::GUEST_IDTR_BASE, kNonCanonical}}},
        {"guest.gdtr.limit", {{F::GUEST_GDTR_LIMIT, 0x10000}}},
        {"guest.idtr.limit", {{F::GUEST_IDTR_LIMIT, 0x10000}}},
        {"guest.rip.canonical", {{F::GUEST_RIP, uint64_t{1} << 48}}},
        {"guest.rip.width", {{F::GUEST_CS_ACCESS_RIGHTS, 0xc09b}, {F::GUEST_RIP, uint64_t{1} << 32}}},
        {"guest.rflags.reserved", {{F::GUEST_RFLAGS, 0}}},
        {"guest.rflags.reserved", {{F::GUEST_RFLAGS, 2 | 1u << 15}}},
        {"guest.rflags.vm", v8086({{F::GUEST_CR0, x86::cr0::NE}})},
        {"guest.rflags.if", {{kInfo, info(EventType::EXTERNAL_INTERRUPT, 0x30)}}},
    };
}

namespace {

struct SegmentNames {
    const char* name;
    F selector, base, limit, rights;
    uint64_t good;  // access rights
};
#define VTLESS_SEGMENT(NAME, name, good)                                                   \
    {                                                                                      \
        name, F::GUEST_##NAME##_SELECTOR, F::GUEST_##NAME##_BASE, F::GUEST_##NAME##_LIMIT, \
            F::GUEST_##NAME##_ACCESS_RIGHTS, good                                          \
    }
constexpr SegmentNames kDataSegments[] = {VTLESS_SEGMENT(ES, "es", 0xc093), VTLESS_SEGMENT(CS, "cs", 0xa09b),
                                          VTLESS_SEGMENT(SS, "ss", 0xc093), VTLESS_SEGMENT(DS, "ds", 0xc093),
                                          VTLESS_SEGMENT(FS, "fs", 0xc093), VTLESS_SEGMENT(GS, "gs", 0xc093)};
constexpr SegmentNames kSystemSegments[] = {VTLESS_SEGMENT(TR, "tr", 0x8b),
                                            VTLESS_SEGMENT(LDTR, "ldtr", 0x82)};
#undef VTLESS_SEGMENT

void break_v8086(const SegmentNames& s, std::vector<BrokenVmcs>& all) {
    const std::string prefix = std::string("guest.") + s.name + ".v8086_";
    all.push_back({prefix + "base", v8086({{s.base, 0x10010}})});
    all.push_back({prefix + "limit", v8086({{s.limit, 0xfffff}})});
    all.push_back({prefix + "limit", v8086({{s.limit, 0xfffe}})});
    all.push_back({prefix + "rights", v8086({{s.rights, 0xf7}})});
}

// What is wrong with any segment: its bits P, S, G and the reserved ones.
void break_rights(const SegmentNames& s, std::vector<BrokenVmcs>& all) {
    const std::string prefix = std::string("guest.") + s.name;
    const auto with = [&](const char* id, uint64_t rights) {
        all.push_back({prefix + id, {{s.rights, rights}, {s.limit, 0xfff}}});
    };
    with(".p", (s.good & 0x7fff) & ~uint64_t{0x80});
    with(".s", (s.good & 0x7fff) ^ 0x10);
    for (const unsigned reserved : {8u, 11u, 17u, 31u}) with(".reserved", (s.good & 0x7fff) | bit(reserved));
    all.push_back({prefix + ".g", {{s.rights, s.good & 0x7fff}, {s.limit, 0x1fffff}}});
    all.push_back({prefix + ".g", {{s.rights, s.good | 0x8000}, {s.limit, 0xffffe}}});
}

void break_data_segment(const SegmentNames& s, std::vector<BrokenVmcs>& all) {
    const std::string prefix = std::string("guest.") + s.name;
    const bool wide = s.base == F::GUEST_FS_BASE || s.base == F::GUEST_GS_BASE;
    all.push_back({prefix + ".base", {{s.base, wide ? kNonCanonical : uint64_t{1} << 32}}});
    all.push_back({prefix + ".type", {{s.rights, s.good & ~uint64_t{1}}}});  // not accessed
    break_rights(s, all);
    break_v8086(s, all);
    if (s.rights == F::GUEST_CS_ACCESS_RIGHTS || s.rights == F::GUEST_SS_ACCESS_RIGHTS) return;
    all.push_back({prefix + ".dpl", {{kSecondary, kRestricted}, {s.selector, 0x13}}});
    all.push_back(
        {prefix + ".dpl", {{kSecondary, kRestricted}, {s.selector, 0x13}, {s.rights, s.good | 2 << 5}}});
}

}  // namespace

std::vector<BrokenVmcs> broken_guest_segments() {
    std::vector<BrokenVmcs> all = {
        {"guest.tr.selector", {{F::GUEST_TR_SELECTOR, 0x34}}},
        {"guest.ldtr.selector", {{F::GUEST_LDTR_ACCESS_RIGHTS, 0x82}, {F::GUEST_LDTR_SELECTOR, 0x3c}}},
        {"guest.ss.selector", {{kSecondary, kRestricted}, {F::GUEST_SS_SELECTOR, 0x13}}},
        {"guest.cs.v8086_base", v8086({{F::GUEST_CS_BASE, 0x10010}})},
        {"guest.ss.v8086_limit", v8086({{F::GUEST_SS_LIMIT, 0xfffff}})},
        {"guest.gs.v8086_rights", v8086({{F::GUEST_GS_ACCESS_RIGHTS, 0x93}})},
        {"guest.es.base", {{F::GUEST_ES_BASE, uint64_t{1} << 32}}},
        {"guest.cs.base", {{F::GUEST_CS_BASE, uint64_t{1} << 32}}},
        {"guest.fs.base", {{F::GUEST_FS_BASE, kNonCanonical}}},
        {"guest.gs.base", {{F::GUEST_GS_BASE, kNonCanonical}}},
        {"guest.cs.type", {{F::GUEST_CS_ACCESS_RIGHTS, 0xa09a}}},
        {"guest.cs.type", {{kSecondary, kRestricted}, {F::GUEST_CS_ACCESS_RIGHTS, 0xa093}}},
        {"guest.ss.type", {{F::GUEST_SS_ACCESS_RIGHTS, 0xc09b}}},
        {"guest.ds.type", {{F::GUEST_DS_ACCESS_RIGHTS, 0xc099}}},
        {"guest.es.s", {{F::GUEST_ES_ACCESS_RIGHTS, 0xc083}}},
        {"guest.cs.dpl", {{F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb}}},
        {"guest.cs.dpl", {{F::GUEST_CS_ACCESS_RIGHTS, 0xa0ff}}},
        {"guest.ss.dpl",
         {{F::VM_ENTRY_CONTROLS, entry_controls(0)},
          {F::GUEST_CR0, x86::cr0::NE},
          {F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb},
          {F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3}}},
        {"guest.ds.dpl", {{kSecondary, kRestricted}, {F::GUEST_DS_SELECTOR, 0x13}}},
        {"guest.fs.p", {{F::GUEST_FS_ACCESS_RIGHTS, 0xc013}}},
        {"guest.gs.reserved", {{F::GUEST_GS_ACCESS_RIGHTS, 0xc193}}},
        {"guest.ds.g", {{F::GUEST_DS_LIMIT, 0xfffff000}}},
        {"guest.ds.g", {{F::GUEST_DS_ACCESS_RIGHTS, 0x4093}}},
        {"guest.cs.l_and_d", {{F::GUEST_CS_ACCESS_RIGHTS, 0xe09b}}},
        {"guest.tr.unusable", {{F::GUEST_TR_ACCESS_RIGHTS, x86::AccessRights::kUnusable | 0x8b}}},
        {"guest.tr.base", {{F::GUEST_TR_BASE, kNonCanonical}}},
        {"guest.tr.type", {{F::GUEST_TR_ACCESS_RIGHTS, 0x83}}},
        {"guest.tr.s", {{F::GUEST_TR_ACCESS_RIGHTS, 0x9b}}},
        {"guest.tr.p", {{F::GUEST_TR_ACCESS_RIGHTS, 0x0b}}},
        {"guest.tr.reserved", {{F::GUEST_TR_ACCESS_RIGHTS, 0x2008b}}},
        {"guest.tr.g", {{F::GUEST_TR_LIMIT, 0x100000}}},
        {"guest.ldtr.type", {{F::GUEST_LDTR_ACCESS_RIGHTS, 0x83}}},
        {"guest.ldtr.base", {{F::GUEST_LDTR_ACCESS_RIGHTS, 0x82}, {F::GUEST_LDTR_BASE, kNonCanonical}}},
    };
    for (const SegmentNames& segment : kDataSegments) break_data_segment(segment, all);
    for (const SegmentNames& segment : kSystemSegments) break_rights(segment, all);
    return all;
}

std::vector<BrokenVmcs> broken_guest_nonregister() {
    namespace blocking = x86::interruptibility;
    constexpr F kBlocking = F::GUEST_INTERRUPTIBILITY_STATE;
    constexpr uint64_t kSti = blocking::BLOCKING_BY_STI;
    constexpr uint64_t kIf = x86::rflags::IF | 2;
    return {
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 4}}},
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 2}}, true, without_activity(1)},
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 3}}, true, without_activity(2)},
        {"guest.activity.hlt_dpl",
         {{F::GUEST_ACTIVITY_STATE, 1},
          {F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3},
          {F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb}}},
        {"guest.activity.blocking",
         {{F::GUEST_ACTIVITY_STATE, 1}, {kBlocking, kSti}, {F::GUEST_RFLAGS, kIf}}},
        {"guest.activity.injection",
         {{F::GUEST_ACTIVITY_STATE, 1}, {kInfo, info(EventType::HARDWARE_EXCEPTION, 6)}}},
        {"guest.activity.blocking",
         {{F::GUEST_ACTIVITY_STATE, 2}, {kBlocking, blocking::BLOCKING_BY_MOV_SS}}},
        {"guest.activity.blocking",
         {{F::GUEST_ACTIVITY_STATE, 3}, {kBlocking, kSti}, {F::GUEST_RFLAGS, kIf}}},
        {"guest.activity.injection",
         {{F::GUEST_ACTIVITY_STATE, 2}, {kInfo, info(EventType::HARDWARE_EXCEPTION, 1)}}},
        {"guest.activity.injection", {{F::GUEST_ACTIVITY_STATE, 2}, {kInfo, info(EventType::OTHER, 0)}}},
        {"guest.activity.injection", {{F::GUEST_ACTIVITY_STATE, 3}, {kInfo, info(EventType::NMI, 2)}}},
        {"guest.interruptibility.reserved", {{kBlocking, 1u << 5}}},
        {"guest.interruptibility.sti_and_mov_ss", {{kBlocking, 3}, {F::GUEST_RFLAGS, kIf}}},
        {"guest.interruptibility.sti_without_if", {{kBlocking, kSti}}},
        {"guest.interruptibility.interrupt",
         {{kBlocking, kSti}, {F::GUEST_RFLAGS, kIf}, {kInfo, info(EventType::EXTERNAL_INTERRUPT, 0x30)}}},
        {"guest.interruptibility.nmi_mov_ss",
         {{kBlocking, blocking::BLOCKING_BY_MOV_SS}, {kInfo, info(EventType::NMI, 2)}}},
        {"guest.interruptibility.smi", {{kBlocking, blocking::BLOCKING_BY_SMI}}},
        {"guest.interruptibility.virtual_nmi",
         {{kPin, pin(PinControls::VIRTUAL_NMIS | PinControls::NMI_EXITING)},
          {kBlocking, blocking::BLOCKING_BY_NMI},
          {kInfo, info(EventType::NMI, 2)}}},
        {"guest.interruptibility.enclave", {{kBlocking, blocking::ENCLAVE_INTERRUPTION}}},
        {"guest.pending_debug.reserved", {{F::GUEST_PENDING_DEBUG_EXCEPTIONS, 1u << 4}}},
        {"guest.pending_debug.bs",
         {{F::GUEST_PENDING_DEBUG_EXCEPTIONS, x86::pending_debug::BS}, {F::GUEST_ACTIVITY_STATE, 1}}},
        {"guest.pending_debug.bs", {{F::GUEST_RFLAGS, 2 | x86::rflags::TF}, {F::GUEST_ACTIVITY_STATE, 1}}},
        {"guest.link_pointer.address", {{F::VMCS_LINK_POINTER, 0x1001}}},
        {"guest.link_pointer.address", {{F::VMCS_LINK_POINTER, kTooWide}}},
        {"guest.link_pointer.current", {{F::VMCS_LINK_POINTER, 0x8000}}},
        {"guest.link_pointer.revision", {{F::VMCS_LINK_POINTER, 0x1000}}},
        {"guest.link_pointer.revision", {{F::VMCS_LINK_POINTER, 0x3000}}},
        {"guest.link_pointer.revision",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING}, {F::VMCS_LINK_POINTER, 0x2000}}},
        {"guest.pdpte.reserved",
         {{F::VM_ENTRY_CONTROLS, entry_controls(0)},
          {F::GUEST_CS_ACCESS_RIGHTS, 0xc09b},
          {F::GUEST_PDPTE2, 3}}},
    };
}

std::vector<BrokenVmcs> all_broken_vmcss() {
    std::vector<BrokenVmcs> all;
    for (auto* group : {broken_controls, broken_injection, broken_host, broken_guest_registers,
                        broken_guest_segments, broken_guest_nonregister}) {
        const auto cases = group();
        all.insert(all.end(), cases.begin(), cases.end());
    }
    return all;
}

std::vector<BrokenVmcs> barely_good_vmcss() {
    constexpr uint64_t kHighest = 0x00007fffffffffff;
    constexpr uint64_t kLowestUpper = 0xffff800000000000;
    constexpr uint64_t kIf = x86::rflags::IF | 2;
    std::vector<BrokenVmcs> all = {
        {"controls.cr3_target_count", {{F::CR3_TARGET_COUNT, 4}}},
        {"controls.io_bitmap_a.address",
         {{kPrimary, primary(PrimaryControls::USE_IO_BITMAPS)},
          {F::IO_BITMAP_A, kTooWide - 0x1000},
          {F::IO_BITMAP_B, 0x1000}}},
        {"controls.msr_bitmap.address",
         {{kPrimary, primary(PrimaryControls::USE_MSR_BITMAPS)}, {F::MSR_BITMAP, kTooWide - 0x1000}}},
        {"controls.virtual_apic.address",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {F::VIRTUAL_APIC_ADDRESS, kTooWide - 0x1000}}},
        {"controls.virtual_apic.address", {{F::VIRTUAL_APIC_ADDRESS, 1}, {F::TPR_THRESHOLD, ~0u}}},
        {"controls.tpr_threshold.above_vtpr",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {F::VIRTUAL_APIC_ADDRESS, kVirtualApic},
          {F::TPR_THRESHOLD, kVtpr >> 4}}},
        {"controls.tpr_threshold.above_vtpr",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {kSecondary, kFull | SecondaryControls::VIRTUALIZE_APIC_ACCESSES},
          {F::VIRTUAL_APIC_ADDRESS, kVirtualApic},
          {F::APIC_ACCESS_ADDRESS, kTooWide - 0x1000},
          {F::TPR_THRESHOLD, 6}}},
        {"controls.virtual_interrupts.needs_tpr_shadow", delivery({})},
        {"controls.tpr_threshold.reserved", delivery({{F::TPR_THRESHOLD, ~0u}})},
        {"controls.posted_interrupts.descriptor",
         posting({{F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, kTooWide - 0x40},
                  {F::POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0xff}})},
        {"controls.posted_interrupts.vector",
         {{F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 1}, {F::POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0xffff}}},
        {"controls.x2apic.needs_tpr_shadow",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {kSecondary, kFull | SecondaryControls::VIRTUALIZE_X2APIC_MODE |
                           SecondaryControls::APIC_REGISTER_VIRTUALIZATION}}},
        {"controls.apic_access.address", {{kSecondary, kFull | SecondaryControls::VIRTUALIZE_APIC_ACCESSES}}},
        {"controls.apic_access.address", {{F::APIC_ACCESS_ADDRESS, 1}}},
        {"controls.tpr_threshold.reserved",
         {{kPrimary, primary(PrimaryControls::USE_TPR_SHADOW)},
          {F::VIRTUAL_APIC_ADDRESS, kTooWide - 0x1000},
          {F::TPR_THRESHOLD, 0xf}}},
        {"controls.virtual_nmis.needs_nmi_exiting",
         {{kPin, pin(PinControls::VIRTUAL_NMIS | PinControls::NMI_EXITING)},
          {kPrimary, primary(PrimaryControls::NMI_WINDOW_EXITING)}}},
        {"controls.tsc_multiplier.zero",
         {{kSecondary,
           kRestricted | SecondaryControls::USE_TSC_SCALING | SecondaryControls::UNRESTRICTED_GUEST},
          {F::TSC_MULTIPLIER, 1}}},
        {"controls.vpid.zero", {{F::VPID, 1}}},
        {"controls.vpid.zero", {{F::VPID, 0xffff}}},
        {"controls.eptp.memory_type", {{F::EPT_POINTER, 0x10000 | 0 | 3 << 3}}},
        {"controls.eptp.walk_length", {{F::EPT_POINTER, 0x10000 | 6 | 4 << 3}}},
        {"controls.pml.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_PML}, {F::PML_ADDRESS, kTooWide - 0x1000}}},
        {"controls.pml.address", {{F::PML_ADDRESS, 1}}},
        {"controls.mode_based_execute.needs_ept",
         {{kSecondary, kFull | SecondaryControls::MODE_BASED_EXECUTE_CONTROL_FOR_EPT}}},
        {"controls.vm_functions.reserved", {{F::VM_FUNCTION_CONTROLS, ~uint64_t{0}}}},
        {"controls.eptp_switching.needs_ept", {{kSecondary, SecondaryControls::ENABLE_VM_FUNCTIONS}}},
        {"controls.eptp_list.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_VM_FUNCTIONS}, {F::EPTP_LIST_ADDRESS, 8}}},
        {"controls.eptp_list.address",
         {{kSecondary, kFull | SecondaryControls::ENABLE_VM_FUNCTIONS},
          {F::VM_FUNCTION_CONTROLS, 1},
          {F::EPTP_LIST_ADDRESS, kTooWide - 0x1000}}},
        {"controls.virtualization_exception.address",
         {{kSecondary, kFull | SecondaryControls::EPT_VIOLATION_VE},
          {F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, kTooWide - 0x1000}}},
        {"controls.eptp.reserved", {{F::EPT_POINTER, (kTooWide - 0x1000) | 6 | 3 << 3}}},
        {"controls.exit.msr_store_area",
         {{F::VM_EXIT_MSR_STORE_COUNT, 1}, {F::VM_EXIT_MSR_STORE_ADDRESS, kTooWide - 16}}},
        {"controls.exit.msr_store_area", {{F::VM_EXIT_MSR_STORE_ADDRESS, 8}}},
        {"controls.exit.msr_load_area",
         {{F::VM_EXIT_MSR_LOAD_COUNT, 2}, {F::VM_EXIT_MSR_LOAD_ADDRESS, kTooWide - 32}}},
        {"controls.entry.msr_load_area",
         {{F::VM_ENTRY_MSR_LOAD_COUNT, 1}, {F::VM_ENTRY_MSR_LOAD_ADDRESS, kTooWide - 16}}},
        {"injection.vector", {{kInfo, info(EventType::HARDWARE_EXCEPTION, 31)}}},
        {"injection.vector", {{kInfo, info(EventType::NMI, 2)}}},
        {"injection.type", {{kInfo, info(EventType::OTHER, 0)}}},
        {"injection.error_code",
         {{kInfo, info(EventType::HARDWARE_EXCEPTION, 13, true)},
          {F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0xffff}}},
        {"injection.instruction_length",
         {{kInfo, info(EventType::SOFTWARE_INTERRUPT, 0x80)}, {F::VM_ENTRY_INSTRUCTION_LENGTH, 1}},
         true,
         without_zero_length()},
        {"injection.instruction_length", {{kInfo, info(EventType::SOFTWARE_INTERRUPT, 0x80)}}},
        {"injection.error_code_valid", {{kInfo, info(EventType::HARDWARE_EXCEPTION, 13)}}},
        {"injection.error_code_valid", {{kInfo, info(EventType::HARDWARE_EXCEPTION, 6, true)}}},
        {"controls.vmread_bitmap.address",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING},
          {F::VMREAD_BITMAP_ADDRESS, kTooWide - 0x1000},
          {F::VMWRITE_BITMAP_ADDRESS, kTooWide - 0x1000}}},
        {"controls.vmread_bitmap.address", {{F::VMREAD_BITMAP_ADDRESS, 1}}},
        {"injection.instruction_length",
         {{kInfo, info(EventType::SOFTWARE_INTERRUPT, 0x80)}, {F::VM_ENTRY_INSTRUCTION_LENGTH, 15}}},
        {"host.cr3.width", {{F::HOST_CR3, kTooWide - 1}}},
        {"host.pat", {{F::HOST_IA32_PAT, 0x0001040506070706}}},
        {"host.cs.null", {{F::HOST_CS_SELECTOR, 8}}},
        {"host.ss.null", {{F::HOST_SS_SELECTOR, 0}}},
        {"guest.cr3.width", {{F::GUEST_CR3, kTooWide - 1}}},
        {"guest.debugctl.reserved", {{F::GUEST_IA32_DEBUGCTL, x86::debugctl::LBR | x86::debugctl::BTF}}},
        {"guest.dr7.width", {{F::GUEST_DR7, 0xffffffff}}},
        {"guest.gdtr.limit", {{F::GUEST_GDTR_LIMIT, 0xffff}}},
        {"guest.idtr.limit", {{F::GUEST_IDTR_LIMIT, 0xffff}}},
        {"guest.rip.width", {{F::GUEST_CS_ACCESS_RIGHTS, 0xc09b}, {F::GUEST_RIP, 0xffffffff}}},
        {"guest.rflags.reserved",
         {{F::GUEST_RFLAGS, bit_range(21, 18) | x86::rflags::RF | bit_range(14, 6) | 0x17}}},
        {"guest.rflags.if", {{kInfo, info(EventType::EXTERNAL_INTERRUPT, 0x30)}, {F::GUEST_RFLAGS, kIf}}},
        {"guest.ds.base", {{F::GUEST_DS_BASE, 0xffffffff}}},
        {"guest.ds.base",
         {{F::GUEST_DS_BASE, kNonCanonical}, {F::GUEST_DS_ACCESS_RIGHTS, x86::AccessRights::kUnusable}}},
        {"guest.ds.g", {{F::GUEST_DS_ACCESS_RIGHTS, 0x4093}, {F::GUEST_DS_LIMIT, 0xffffe}}},
        {"guest.ds.g", {{F::GUEST_DS_ACCESS_RIGHTS, 0xc093}, {F::GUEST_DS_LIMIT, 0xfff}}},
        {"guest.ds.dpl",
         {{kSecondary, kRestricted}, {F::GUEST_DS_SELECTOR, 0x13}, {F::GUEST_DS_ACCESS_RIGHTS, 0xc0f3}}},
        {"guest.ds.dpl",
         {{kSecondary, kRestricted}, {F::GUEST_DS_SELECTOR, 0x13}, {F::GUEST_DS_ACCESS_RIGHTS, 0xc09f}}},
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 1}}},
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 2}}},
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 3}}},
        {"guest.activity.unsupported", {{F::GUEST_ACTIVITY_STATE, 2}}, true, without_activity(2)},
        {"guest.activity.hlt_dpl",
         {{F::GUEST_ACTIVITY_STATE, 2},
          {F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3},
          {F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb}}},
        {"guest.activity.injection", {{F::GUEST_ACTIVITY_STATE, 2}, {kInfo, info(EventType::NMI, 2)}}},
        {"guest.activity.injection",
         {{F::GUEST_ACTIVITY_STATE, 2}, {kInfo, info(EventType::HARDWARE_EXCEPTION, 18)}}},
        {"guest.activity.injection",
         {{F::GUEST_ACTIVITY_STATE, 1}, {kInfo, info(EventType::HARDWARE_EXCEPTION, 1)}}},
        {"guest.interruptibility.sti_without_if",
         {{F::GUEST_INTERRUPTIBILITY_STATE, 1}, {F::GUEST_RFLAGS, kIf}}},
        {"guest.pending_debug.bs",
         {{F::GUEST_PENDING_DEBUG_EXCEPTIONS, x86::pending_debug::BS},
          {F::GUEST_RFLAGS, 2 | x86::rflags::TF},
          {F::GUEST_ACTIVITY_STATE, 1}}},
        {"guest.link_pointer.revision", {{F::VMCS_LINK_POINTER, 0x2000}}},
        {"guest.link_pointer.revision",
         {{kSecondary, kFull | SecondaryControls::VMCS_SHADOWING}, {F::VMCS_LINK_POINTER, 0x3000}}},
        {"guest.pdpte.reserved",
         {{F::VM_ENTRY_CONTROLS, entry_controls(0)},
          {F::GUEST_CS_ACCESS_RIGHTS, 0xc09b},
          {F::GUEST_PDPTE2, 2},
          {F::GUEST_PDPTE3, (kTooWide - 0x1000) | 0xe19}}},
    };
    for (const F field : {F::HOST_FS_BASE, F::HOST_GS_BASE, F::HOST_TR_BASE, F::HOST_GDTR_BASE,
                          F::HOST_IDTR_BASE, F::HOST_RIP, F::HOST_IA32_SYSENTER_ESP, F::GUEST_FS_BASE,
                          F::GUEST_TR_BASE, F::GUEST_GDTR_BASE, F::GUEST_RIP}) {
        all.push_back({x86::name(field), {{field, kHighest}}});
        all.push_back({x86::name(field), {{field, kLowestUpper}}});
    }
    return all;
}

}  // namespace vtless::sim
