// SPDX-License-Identifier: MIT
// Every check of VM entry as data: its stable id, the section of the SDM that states it, and what it asks
// for. The edition of the SDM is named in isa/README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace vtless::sim {

struct SdmSection {
    const char* number;
    const char* title;
};

// All in volume 3C.
namespace sdm {
inline constexpr SdmSection kExecutionControls{"27.2.1.1", "VM-Execution Control Fields"};
inline constexpr SdmSection kExitControls{"27.2.1.2", "VM-Exit Control Fields"};
inline constexpr SdmSection kEntryControls{"27.2.1.3", "VM-Entry Control Fields"};
inline constexpr SdmSection kHostRegisters{"27.2.2", "Checks on Host Control Registers, MSRs, and SSP"};
inline constexpr SdmSection kHostSegments{"27.2.3", "Checks on Host Segment and Descriptor-Table Registers"};
inline constexpr SdmSection kAddressSpace{"27.2.4", "Checks Related to Address-Space Size"};
inline constexpr SdmSection kGuestRegisters{"27.3.1.1",
                                            "Checks on Guest Control Registers, Debug Registers, and MSRs"};
inline constexpr SdmSection kGuestSegments{"27.3.1.2", "Checks on Guest Segment Registers"};
inline constexpr SdmSection kGuestTables{"27.3.1.3", "Checks on Guest Descriptor-Table Registers"};
inline constexpr SdmSection kGuestRip{"27.3.1.4", "Checks on Guest RIP, RFLAGS, and SSP"};
inline constexpr SdmSection kGuestNonRegister{"27.3.1.5", "Checks on Guest Non-Register State"};
inline constexpr SdmSection kGuestPdptes{"27.3.1.6", "Checks on Guest Page-Directory-Pointer-Table Entries"};
inline constexpr SdmSection kLoadPdptes{"27.3.2.4", "Loading Page-Directory-Pointer-Table Entries"};
inline constexpr SdmSection kLoadMsrs{"27.4", "Loading MSRs"};
}  // namespace sdm

struct EntryCheckRule {
    const char* id;
    SdmSection section;
    const char* sentence;
};

// clang-format off
#define VTLESS_V8086_CHECKS(name, NAME)                                                                       \
    {"guest." name ".v8086_base", sdm::kGuestSegments,                                                        \
     "In virtual-8086 mode the base of " NAME " must be its selector times 16."},                             \
    {"guest." name ".v8086_limit", sdm::kGuestSegments,                                                       \
     "In virtual-8086 mode the limit of " NAME " must be 0xffff."},                                           \
    {"guest." name ".v8086_rights", sdm::kGuestSegments,                                                      \
     "In virtual-8086 mode the access rights of " NAME " must be 0xf3."}
// What all usable code and data segments have in common.
#define VTLESS_COMMON_CHECKS(name, NAME, checked)                                                             \
    {"guest." name ".p", sdm::kGuestSegments, checked NAME " must be present (P = 1)."},                      \
    {"guest." name ".reserved", sdm::kGuestSegments,                                                          \
     checked NAME " must have 0 in the reserved bits 11:8 and 31:17 of its access rights."},                 \
    {"guest." name ".g", sdm::kGuestSegments,                                                                 \
     checked NAME ".G must be 0 if any of bits 11:0 of the limit is 0, and 1 if any of bits 31:20 is 1."}
#define VTLESS_USABLE(NAME) "If " NAME " is usable, "
#define VTLESS_DATA_CHECKS(name, NAME, base_rule)                                                             \
    VTLESS_V8086_CHECKS(name, NAME),                                                                          \
    {"guest." name ".base", sdm::kGuestSegments, base_rule},                                                  \
    {"guest." name ".type", sdm::kGuestSegments,                                                              \
     VTLESS_USABLE(NAME) "its type must be accessed, and if it is code also readable."},                      \
    {"guest." name ".s", sdm::kGuestSegments, VTLESS_USABLE(NAME) "it must be code or data (S = 1)."},        \
    {"guest." name ".dpl", sdm::kGuestSegments,                                                               \
     "Without unrestricted guest, the DPL of " NAME ", if it is usable and no conforming code segment, "      \
     "must not be below the RPL of its selector."},                                                           \
    VTLESS_COMMON_CHECKS(name, NAME, VTLESS_USABLE(NAME))

inline constexpr EntryCheckRule kEntryCheckRules[] = {
    {"controls.pin.reserved", sdm::kExecutionControls,
     "Each bit of the pin-based controls must be as the capability MSR (IA32_VMX_TRUE_PINBASED_CTLS, or "
     "IA32_VMX_PINBASED_CTLS without it) allows."},
    {"controls.primary.reserved", sdm::kExecutionControls,
     "Each bit of the primary processor-based controls must be as the capability MSR "
     "(IA32_VMX_TRUE_PROCBASED_CTLS, or IA32_VMX_PROCBASED_CTLS without it) allows."},
    {"controls.secondary.reserved", sdm::kExecutionControls,
     "If the secondary controls are activated, each of their bits must be as IA32_VMX_PROCBASED_CTLS2 "
     "allows."},
    {"controls.cr3_target_count", sdm::kExecutionControls,
     "The CR3-target count must not exceed the number in IA32_VMX_MISC bits 24:16."},
    {"controls.io_bitmap_a.address", sdm::kExecutionControls,
     "With I/O bitmaps in use, the address of bitmap A must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.io_bitmap_b.address", sdm::kExecutionControls,
     "With I/O bitmaps in use, the address of bitmap B must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.msr_bitmap.address", sdm::kExecutionControls,
     "With MSR bitmaps in use, their address must be 4-KiB aligned and within the physical-address width."},
    {"controls.virtual_apic.address", sdm::kExecutionControls,
     "With a TPR shadow, the virtual-APIC address must be 4-KiB aligned and within the physical-address width."},
    {"controls.x2apic.needs_tpr_shadow", sdm::kExecutionControls, "Virtualized x2APIC mode needs a TPR shadow."},
    {"controls.apic_registers.needs_tpr_shadow", sdm::kExecutionControls,
     "APIC-register virtualization needs a TPR shadow."},
    {"controls.virtual_interrupts.needs_tpr_shadow", sdm::kExecutionControls,
     "Virtual-interrupt delivery needs a TPR shadow."},
    {"controls.virtual_interrupts.needs_external_interrupt_exiting", sdm::kExecutionControls,
     "Virtual-interrupt delivery needs external-interrupt exiting."},
    {"controls.posted_interrupts.needs_virtual_interrupts", sdm::kExecutionControls,
     "Processing posted interrupts needs virtual-interrupt delivery."},
    {"controls.posted_interrupts.needs_acknowledge", sdm::kExecutionControls,
     "Processing posted interrupts needs the VM-exit control \"acknowledge interrupt on exit\"."},
    {"controls.posted_interrupts.vector", sdm::kExecutionControls,
     "Bits 15:8 of the posted-interrupt notification vector must be 0."},
    {"controls.posted_interrupts.descriptor", sdm::kExecutionControls,
     "The posted-interrupt descriptor address must be 64-byte aligned and within the physical-address width."},
    {"controls.x2apic.with_apic_accesses", sdm::kExecutionControls,
     "Virtualized x2APIC mode and virtualized APIC accesses exclude each other."},
    {"controls.apic_access.address", sdm::kExecutionControls,
     "With virtualized APIC accesses, the APIC-access address must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.virtual_nmis.needs_nmi_exiting", sdm::kExecutionControls,
     "Virtual NMIs need NMI exiting."},
    {"controls.nmi_window.needs_virtual_nmis", sdm::kExecutionControls,
     "NMI-window exiting needs virtual NMIs."},
    {"controls.tsc_multiplier.zero", sdm::kExecutionControls,
     "With TSC scaling in use, the TSC multiplier must not be 0."},
    {"controls.vpid.zero", sdm::kExecutionControls, "With VPIDs enabled, the VPID must not be 0."},
    {"controls.eptp.memory_type", sdm::kExecutionControls,
     "With EPT enabled, the EPT paging-structure memory type must be one that IA32_VMX_EPT_VPID_CAP names."},
    {"controls.eptp.walk_length", sdm::kExecutionControls,
     "With EPT enabled, the EPT page-walk length must be one that IA32_VMX_EPT_VPID_CAP names."},
    {"controls.eptp.accessed_dirty", sdm::kExecutionControls,
     "Accessed and dirty flags for EPT can be enabled only where IA32_VMX_EPT_VPID_CAP bit 21 says so."},
    {"controls.eptp.reserved", sdm::kExecutionControls,
     "With EPT enabled, bits 11:7 of the EPT pointer and those beyond the physical-address width must be 0."},
    {"controls.unrestricted_guest.needs_ept", sdm::kExecutionControls, "Unrestricted guest needs EPT."},
    {"controls.pml.needs_ept", sdm::kExecutionControls, "Page-modification logging needs EPT."},
    {"controls.pml.address", sdm::kExecutionControls,
     "With page-modification logging, the address of the log must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.mode_based_execute.needs_ept", sdm::kExecutionControls,
     "Mode-based execute control for EPT needs EPT."},
    {"controls.vm_functions.reserved", sdm::kExecutionControls,
     "With VM functions enabled, only those that IA32_VMX_VMFUNC names can be."},
    {"controls.eptp_switching.needs_ept", sdm::kExecutionControls, "EPTP switching needs EPT."},
    {"controls.eptp_list.address", sdm::kExecutionControls,
     "With EPTP switching, the address of the EPTP list must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.vmread_bitmap.address", sdm::kExecutionControls,
     "With VMCS shadowing, the address of the VMREAD bitmap must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.vmwrite_bitmap.address", sdm::kExecutionControls,
     "With VMCS shadowing, the address of the VMWRITE bitmap must be 4-KiB aligned and within the "
     "physical-address width."},
    {"controls.virtualization_exception.address", sdm::kExecutionControls,
     "With EPT-violation #VE, the virtualization-exception information address must be 4-KiB aligned and within "
     "the physical-address width."},
    {"controls.tpr_threshold.reserved", sdm::kExecutionControls,
     "With a TPR shadow and without virtual-interrupt delivery, bits 31:4 of the TPR threshold must be 0."},
    {"controls.tpr_threshold.above_vtpr", sdm::kExecutionControls,
     "With a TPR shadow and neither virtualized APIC accesses nor virtual-interrupt delivery, the TPR threshold "
     "must not exceed bits 7:4 of VTPR in the virtual-APIC page."},

    {"controls.exit.reserved", sdm::kExitControls,
     "Each bit of the VM-exit controls must be as the capability MSR (IA32_VMX_TRUE_EXIT_CTLS, or "
     "IA32_VMX_EXIT_CTLS without it) allows."},
    {"controls.exit.save_timer_needs_timer", sdm::kExitControls,
     "Saving the preemption timer at VM exit needs the timer to be active."},
    {"controls.exit.msr_store_area", sdm::kExitControls,
     "A VM-exit MSR-store area that is not empty must be 16-byte aligned and end within the "
     "physical-address width."},
    {"controls.exit.msr_load_area", sdm::kExitControls,
     "A VM-exit MSR-load area that is not empty must be 16-byte aligned and end within the "
     "physical-address width."},

    {"controls.entry.reserved", sdm::kEntryControls,
     "Each bit of the VM-entry controls must be as the capability MSR (IA32_VMX_TRUE_ENTRY_CTLS, or "
     "IA32_VMX_ENTRY_CTLS without it) allows."},
    {"controls.entry.msr_load_area", sdm::kEntryControls,
     "A VM-entry MSR-load area that is not empty must be 16-byte aligned and end within the "
     "physical-address width."},
    {"injection.type", sdm::kEntryControls,
     "The type of an injected event must be one that the processor can inject."},
    {"injection.type.monitor_trap_flag", sdm::kEntryControls,
     "Only a processor that supports the monitor trap flag can inject a pending MTF VM exit (type 7)."},
    {"injection.vector", sdm::kEntryControls,
     "The vector of an injected event must be 2 for an NMI, at most 31 for a hardware exception, and 0 for "
     "a pending MTF VM exit."},
    {"injection.error_code_valid", sdm::kEntryControls,
     "An error code can be delivered with hardware exceptions only, in protected mode, and without "
     "IA32_VMX_BASIC bit 56 must be exactly with those that have one."},
    {"injection.reserved", sdm::kEntryControls,
     "Bits 30:12 of the VM-entry interruption information must be 0."},
    {"injection.error_code", sdm::kEntryControls,
     "Bits 31:16 of an error code to be delivered must be 0."},
    {"injection.instruction_length", sdm::kEntryControls,
     "An injected software interrupt or exception needs an instruction length of 1 to 15 bytes, or of 0 "
     "where IA32_VMX_MISC bit 30 allows that."},

    {"host.cr0.fixed", sdm::kHostRegisters,
     "The host's CR0 must set the bits that VMX operation fixes to 1, and no bit that it fixes to 0."},
    {"host.cr4.fixed", sdm::kHostRegisters,
     "The host's CR4 must set the bits that VMX operation fixes to 1, and no bit that is not supported."},
    {"host.cr3.width", sdm::kHostRegisters,
     "The bits of the host's CR3 beyond the physical-address width must be 0."},
    {"host.sysenter_esp.canonical", sdm::kHostRegisters,
     "The host's IA32_SYSENTER_ESP must be a canonical address."},
    {"host.sysenter_eip.canonical", sdm::kHostRegisters,
     "The host's IA32_SYSENTER_EIP must be a canonical address."},
    {"host.pat", sdm::kHostRegisters,
     "If VM exit loads IA32_PAT, each of its bytes must be a memory type: 0, 1, 4, 5, 6 or 7."},
    {"host.efer.reserved", sdm::kHostRegisters,
     "If VM exit loads IA32_EFER, its reserved bits must be 0."},
    {"host.efer.mode", sdm::kHostRegisters,
     "If VM exit loads IA32_EFER, its LMA and LME must both equal the host address-space size control."},

    {"host.es.selector", sdm::kHostSegments, "RPL and TI of the host's ES selector must be 0."},
    {"host.cs.selector", sdm::kHostSegments, "RPL and TI of the host's CS selector must be 0."},
    {"host.ss.selector", sdm::kHostSegments, "RPL and TI of the host's SS selector must be 0."},
    {"host.ds.selector", sdm::kHostSegments, "RPL and TI of the host's DS selector must be 0."},
    {"host.fs.selector", sdm::kHostSegments, "RPL and TI of the host's FS selector must be 0."},
    {"host.gs.selector", sdm::kHostSegments, "RPL and TI of the host's GS selector must be 0."},
    {"host.tr.selector", sdm::kHostSegments, "RPL and TI of the host's TR selector must be 0."},
    {"host.cs.null", sdm::kHostSegments, "The host's CS selector must not be null."},
    {"host.tr.null", sdm::kHostSegments, "The host's TR selector must not be null."},
    {"host.ss.null", sdm::kHostSegments, "The SS selector of a 32-bit host must not be null."},
    {"host.fs.base", sdm::kHostSegments, "The host's FS base must be a canonical address."},
    {"host.gs.base", sdm::kHostSegments, "The host's GS base must be a canonical address."},
    {"host.tr.base", sdm::kHostSegments, "The host's TR base must be a canonical address."},
    {"host.gdtr.base", sdm::kHostSegments, "The host's GDTR base must be a canonical address."},
    {"host.idtr.base", sdm::kHostSegments, "The host's IDTR base must be a canonical address."},

    {"host.address_space_size", sdm::kAddressSpace,
     "The host address-space size control must equal IA32_EFER.LMA at VM entry."},
    {"host.ia32e_guest", sdm::kAddressSpace, "A 32-bit host cannot enter an IA-32e mode guest."},
    {"host.rip.width", sdm::kAddressSpace, "Bits 63:32 of a 32-bit host's RIP must be 0."},
    {"host.cr4.pae", sdm::kAddressSpace, "A 64-bit host needs CR4.PAE."},
    {"host.rip.canonical", sdm::kAddressSpace, "A 64-bit host's RIP must be a canonical address."},

    {"guest.cr0.fixed", sdm::kGuestRegisters,
     "The guest's CR0 must set the bits that VMX operation fixes to 1 (PE and PG not, with unrestricted "
     "guest), and no bit that it fixes to 0."},
    {"guest.cr0.pg_without_pe", sdm::kGuestRegisters, "The guest's CR0.PG needs CR0.PE."},
    {"guest.cr4.fixed", sdm::kGuestRegisters,
     "The guest's CR4 must set the bits that VMX operation fixes to 1, and no bit that is not supported."},
    {"guest.cr0.ia32e_without_pg", sdm::kGuestRegisters, "An IA-32e mode guest needs CR0.PG."},
    {"guest.cr4.ia32e_without_pae", sdm::kGuestRegisters, "An IA-32e mode guest needs CR4.PAE."},
    {"guest.cr3.width", sdm::kGuestRegisters,
     "The bits of the guest's CR3 beyond the physical-address width must be 0."},
    {"guest.debugctl.reserved", sdm::kGuestRegisters,
     "If VM entry loads debug controls, the reserved bits of IA32_DEBUGCTL must be 0."},
    {"guest.dr7.width", sdm::kGuestRegisters,
     "If VM entry loads debug controls, bits 63:32 of DR7 must be 0."},
    {"guest.sysenter_esp.canonical", sdm::kGuestRegisters,
     "The guest's IA32_SYSENTER_ESP must be a canonical address."},
    {"guest.sysenter_eip.canonical", sdm::kGuestRegisters,
     "The guest's IA32_SYSENTER_EIP must be a canonical address."},
    {"guest.pat", sdm::kGuestRegisters,
     "If VM entry loads IA32_PAT, each of its bytes must be a memory type: 0, 1, 4, 5, 6 or 7."},
    {"guest.efer.reserved", sdm::kGuestRegisters,
     "If VM entry loads IA32_EFER, its reserved bits must be 0."},
    {"guest.efer.lma", sdm::kGuestRegisters,
     "If VM entry loads IA32_EFER, its LMA must equal the IA-32e mode guest control."},
    {"guest.efer.lme", sdm::kGuestRegisters,
     "If VM entry loads IA32_EFER and the guest's CR0.PG is set, LME must equal LMA."},

    {"guest.tr.selector", sdm::kGuestSegments, "TI of the TR selector must be 0."},
    {"guest.ldtr.selector", sdm::kGuestSegments, "If LDTR is usable, TI of its selector must be 0."},
    {"guest.ss.selector", sdm::kGuestSegments,
     "Without unrestricted guest and outside virtual-8086 mode, the RPL of SS must equal the RPL of CS."},
    VTLESS_DATA_CHECKS("es", "ES", "If ES is usable, bits 63:32 of its base must be 0."),
    VTLESS_V8086_CHECKS("cs", "CS"),
    {"guest.cs.base", sdm::kGuestSegments, "Bits 63:32 of the base of CS must be 0."},
    {"guest.cs.type", sdm::kGuestSegments,
     "CS must be accessed code (type 9, 11, 13 or 15), or with unrestricted guest also accessed data "
     "(type 3)."},
    {"guest.cs.s", sdm::kGuestSegments, "CS must be code or data (S = 1)."},
    {"guest.cs.dpl", sdm::kGuestSegments,
     "The DPL of CS must be 0 if its type is 3, the DPL of SS if its type is 9 or 11, and at most that if "
     "its type is 13 or 15."},
    VTLESS_COMMON_CHECKS("cs", "CS", ""),
    {"guest.cs.l_and_d", sdm::kGuestSegments,
     "In an IA-32e mode guest L and D/B of CS must not both be set."},
    VTLESS_V8086_CHECKS("ss", "SS"),
    {"guest.ss.base", sdm::kGuestSegments, "If SS is usable, bits 63:32 of its base must be 0."},
    {"guest.ss.type", sdm::kGuestSegments,
     "If SS is usable, it must be accessed, writable data (type 3 or 7)."},
    {"guest.ss.s", sdm::kGuestSegments, "If SS is usable, it must be code or data (S = 1)."},
    {"guest.ss.dpl", sdm::kGuestSegments,
     "The DPL of SS must be the RPL of its selector without unrestricted guest, and 0 in real mode or if "
     "the type of CS is 3."},
    VTLESS_COMMON_CHECKS("ss", "SS", VTLESS_USABLE("SS")),
    VTLESS_DATA_CHECKS("ds", "DS", "If DS is usable, bits 63:32 of its base must be 0."),
    VTLESS_DATA_CHECKS("fs", "FS", "The base of FS must be a canonical address."),
    VTLESS_DATA_CHECKS("gs", "GS", "The base of GS must be a canonical address."),
    {"guest.tr.unusable", sdm::kGuestSegments, "TR must be usable."},
    {"guest.tr.base", sdm::kGuestSegments, "The base of TR must be a canonical address."},
    {"guest.tr.type", sdm::kGuestSegments,
     "TR must be a busy 32-bit or 64-bit TSS (type 11), or outside IA-32e mode a busy 16-bit TSS (type 3)."},
    {"guest.tr.s", sdm::kGuestSegments, "TR must be a system segment (S = 0)."},
    VTLESS_COMMON_CHECKS("tr", "TR", ""),
    {"guest.ldtr.base", sdm::kGuestSegments,
     "If LDTR is usable, its base must be a canonical address."},
    {"guest.ldtr.type", sdm::kGuestSegments, "If LDTR is usable, it must be an LDT (type 2)."},
    {"guest.ldtr.s", sdm::kGuestSegments, "If LDTR is usable, it must be a system segment (S = 0)."},
    VTLESS_COMMON_CHECKS("ldtr", "LDTR", VTLESS_USABLE("LDTR")),

    {"guest.gdtr.base", sdm::kGuestTables, "The base of GDTR must be a canonical address."},
    {"guest.idtr.base", sdm::kGuestTables, "The base of IDTR must be a canonical address."},
    {"guest.gdtr.limit", sdm::kGuestTables, "Bits 31:16 of the limit of GDTR must be 0."},
    {"guest.idtr.limit", sdm::kGuestTables, "Bits 31:16 of the limit of IDTR must be 0."},

    {"guest.rip.width", sdm::kGuestRip, "Outside 64-bit mode bits 63:32 of RIP must be 0."},
    {"guest.rip.canonical", sdm::kGuestRip,
     "In 64-bit mode the bits of RIP above the linear-address width must be identical."},
    {"guest.rflags.reserved", sdm::kGuestRip,
     "Bits 63:22, 15, 5 and 3 of RFLAGS must be 0, and bit 1 must be 1."},
    {"guest.rflags.vm", sdm::kGuestRip, "RFLAGS.VM must be 0 in IA-32e mode and in real mode."},
    {"guest.rflags.if", sdm::kGuestRip, "RFLAGS.IF must be 1 when an external interrupt is injected."},

    {"guest.activity.unsupported", sdm::kGuestNonRegister,
     "The activity state must be active, or one that IA32_VMX_MISC names."},
    {"guest.activity.hlt_dpl", sdm::kGuestNonRegister, "The activity state HLT needs SS.DPL = 0."},
    {"guest.activity.blocking", sdm::kGuestNonRegister,
     "The activity state must be active while STI or MOV SS blocks."},
    {"guest.activity.injection", sdm::kGuestNonRegister,
     "Into HLT only external interrupts, NMIs, #DB, #MC and pending MTF VM exits can be injected, into "
     "shutdown only NMIs and #MC, and into wait-for-SIPI nothing."},
    {"guest.interruptibility.reserved", sdm::kGuestNonRegister,
     "Bits 31:5 of the interruptibility state must be 0."},
    {"guest.interruptibility.sti_and_mov_ss", sdm::kGuestNonRegister, "STI and MOV SS cannot both block."},
    {"guest.interruptibility.sti_without_if", sdm::kGuestNonRegister, "Blocking by STI needs RFLAGS.IF."},
    {"guest.interruptibility.interrupt", sdm::kGuestNonRegister,
     "No external interrupt can be injected while STI or MOV SS blocks."},
    {"guest.interruptibility.nmi_mov_ss", sdm::kGuestNonRegister,
     "No NMI can be injected while MOV SS blocks."},
    {"guest.interruptibility.smi", sdm::kGuestNonRegister, "SMIs block only in system-management mode."},
    {"guest.interruptibility.virtual_nmi", sdm::kGuestNonRegister,
     "No NMI can be injected while virtual NMIs are blocked."},
    {"guest.interruptibility.enclave", sdm::kGuestNonRegister,
     "Enclave interruption cannot be set on a processor without SGX."},
    {"guest.pending_debug.reserved", sdm::kGuestNonRegister,
     "The reserved bits of the pending debug exceptions must be 0."},
    {"guest.pending_debug.bs", sdm::kGuestNonRegister,
     "While STI or MOV SS blocks, and in HLT, BS of the pending debug exceptions must be set exactly if "
     "RFLAGS.TF single-steps (TF = 1 and IA32_DEBUGCTL.BTF = 0)."},
    {"guest.link_pointer.address", sdm::kGuestNonRegister,
     "The VMCS link pointer must be all ones, or 4-KiB aligned and within the physical-address width."},
    {"guest.link_pointer.current", sdm::kGuestNonRegister,
     "The VMCS link pointer must not name the VMCS itself."},
    {"guest.link_pointer.revision", sdm::kGuestNonRegister,
     "The VMCS that the link pointer names must have this processor's revision identifier, and its shadow-VMCS "
     "indicator must equal the VMCS shadowing control."},
    {"guest.pdpte.reserved", sdm::kGuestPdptes,
     "With PAE paging and EPT, bits 2:1, 8:5 and those beyond the physical-address width of a present PDPTE "
     "must be 0."},

    {"load.pdptes", sdm::kLoadPdptes,
     "With PAE paging and without EPT, the PDPTEs that CR3 points to must be in memory, and the reserved "
     "bits of each present one must be 0."},
    {"load.msr.count", sdm::kLoadMsrs,
     "The VM-entry MSR-load area must not have more entries than IA32_VMX_MISC bits 27:25 recommend."},
    {"load.msr.memory", sdm::kLoadMsrs, "Each entry of the VM-entry MSR-load area must be in memory."},
    {"load.msr.segment_base", sdm::kLoadMsrs,
     "VM entry cannot load IA32_FS_BASE or IA32_GS_BASE from the MSR-load area."},
    {"load.msr.x2apic", sdm::kLoadMsrs,
     "VM entry cannot load an x2APIC MSR (bits 31:8 of the index 0x8) from the MSR-load area."},
    {"load.msr.smm", sdm::kLoadMsrs,
     "VM entry cannot load an MSR that only system-management mode can write."},
    {"load.msr.reserved", sdm::kLoadMsrs,
     "Bits 63:32 of each entry of the VM-entry MSR-load area must be 0."},
    {"load.msr.unknown", sdm::kLoadMsrs,
     "The processor must have each MSR that the VM-entry MSR-load area names, or WRMSR would cause #GP."},
    {"load.msr.read_only", sdm::kLoadMsrs,
     "WRMSR must be able to write each MSR that the VM-entry MSR-load area names."},
    {"load.msr.value", sdm::kLoadMsrs,
     "WRMSR at CPL 0 must accept each value of the VM-entry MSR-load area for its MSR."},
    {"load.msr.lme", sdm::kLoadMsrs,
     "With CR0.PG = 1 VM entry cannot change LME by loading IA32_EFER from the MSR-load area."},
};
// clang-format on
#undef VTLESS_DATA_CHECKS
#undef VTLESS_COMMON_CHECKS
#undef VTLESS_USABLE
#undef VTLESS_V8086_CHECKS

inline constexpr size_t kEntryChecks = std::size(kEntryCheckRules);

// A row of the table. Made from an id that the table does not have, it does not compile.
class CheckId {
  public:
    consteval CheckId(const char* id) : index_(find(id)) {}  // NOLINT(google-explicit-constructor)

    size_t index() const { return index_; }
    const EntryCheckRule& rule() const { return kEntryCheckRules[index_]; }

  private:
    static consteval uint16_t find(std::string_view id) {
        for (size_t i = 0; i < kEntryChecks; ++i) {
            if (id == kEntryCheckRules[i].id) return static_cast<uint16_t>(i);
        }
        return no_such_check_in_the_table();
    }
    static uint16_t no_such_check_in_the_table();  // not constexpr, so that its call is an error

    uint16_t index_;
};

}  // namespace vtless::sim
