// SPDX-License-Identifier: MIT
//! The VMCS: its fields, and their first values.

use crate::hardware::{alloc_frames, phys_to_virt};
use crate::vmx_instructions::*;

// SDM Vol. 3D "Field Encoding in VMCS" (Appendix B).
pub mod field {
    pub const VPID: u32 = 0x0000;
    pub const HOST_ES_SELECTOR: u32 = 0x0c00; // then CS SS DS FS GS TR, 2 apart
    pub const EPT_POINTER: u32 = 0x201a;
    pub const VMCS_LINK_POINTER: u32 = 0x2800;
    pub const HOST_IA32_EFER: u32 = 0x2c02;
    pub const PIN_CONTROLS: u32 = 0x4000;
    pub const PRIMARY_CONTROLS: u32 = 0x4002;
    pub const EXIT_CONTROLS: u32 = 0x400c;
    pub const ENTRY_CONTROLS: u32 = 0x4012;
    pub const SECONDARY_CONTROLS: u32 = 0x401e;
    pub const VM_INSTRUCTION_ERROR: u32 = 0x4400;
    pub const EXIT_REASON: u32 = 0x4402;
    pub const EXIT_INSTRUCTION_LENGTH: u32 = 0x440c;
    pub const GUEST_ES_LIMIT: u32 = 0x4800; // then CS SS DS FS GS LDTR TR, 2 apart
    pub const GUEST_ES_RIGHTS: u32 = 0x4814; // likewise
    pub const EXIT_QUALIFICATION: u32 = 0x6400;
    pub const GUEST_CR0: u32 = 0x6800;
    pub const GUEST_CR4: u32 = 0x6804;
    pub const GUEST_DR7: u32 = 0x681a;
    pub const GUEST_RSP: u32 = 0x681c;
    pub const GUEST_RIP: u32 = 0x681e;
    pub const GUEST_RFLAGS: u32 = 0x6820;
    pub const HOST_CR0: u32 = 0x6c00;
    pub const HOST_CR3: u32 = 0x6c02;
    pub const HOST_CR4: u32 = 0x6c04;
    pub const HOST_FS_BASE: u32 = 0x6c06;
    pub const HOST_GS_BASE: u32 = 0x6c08;
    pub const HOST_TR_BASE: u32 = 0x6c0a;
    pub const HOST_GDTR_BASE: u32 = 0x6c0c;
    pub const HOST_IDTR_BASE: u32 = 0x6c0e;
}

const IA32_VMX_BASIC: u32 = 0x480;
const IA32_VMX_PROCBASED_CTLS2: u32 = 0x48b;
const IA32_VMX_TRUE_PINBASED_CTLS: u32 = 0x48d;
const IA32_VMX_TRUE_PROCBASED_CTLS: u32 = 0x48e;
const IA32_VMX_TRUE_EXIT_CTLS: u32 = 0x48f;
const IA32_VMX_TRUE_ENTRY_CTLS: u32 = 0x490;
const IA32_EFER: u32 = 0xc000_0080;

/// A VMXON region or a VMCS: a frame that begins with the revision identifier.
pub struct VmxRegion(pub u64);

impl VmxRegion {
    pub fn new() -> VmxRegion {
        let frame = alloc_frames(1);
        unsafe { *phys_to_virt(frame).cast::<u32>() = rdmsr(IA32_VMX_BASIC) as u32 & 0x7fff_ffff };
        VmxRegion(frame)
    }
}

pub fn read(field: u32) -> u64 {
    unsafe { vmread(field) }.expect("VMREAD")
}

pub fn write(field: u32, value: u64) {
    unsafe { vmwrite(field, value) }.expect("VMWRITE")
}

/// `wanted`, and what must be 1, as far as the processor has it. SDM Vol. 3D A.2.
fn set_control(field: u32, capability: u32, wanted: u64) {
    let allowed = unsafe { rdmsr(capability) };
    let value = (wanted | allowed) & (allowed >> 32) & 0xffff_ffff;
    assert!(value & wanted == wanted, "the processor lacks controls {:#x} of field {field:#x}", wanted & !value);
    write(field, value);
}

pub fn set_controls(ept_root: u64) {
    const EXTERNAL_INTERRUPT_AND_NMI: u64 = 1 | 1 << 3;
    const HLT_ALL_IO_SECONDARY: u64 = 1 << 7 | 1 << 24 | 1 << 31;
    const EPT_VPID_UNRESTRICTED: u64 = 1 << 1 | 1 << 5 | 1 << 7;
    const HOST64_ACKNOWLEDGE_EFER: u64 = 1 << 9 | 1 << 15 | 1 << 20 | 1 << 21;
    const LOAD_EFER: u64 = 1 << 15;
    set_control(field::PIN_CONTROLS, IA32_VMX_TRUE_PINBASED_CTLS, EXTERNAL_INTERRUPT_AND_NMI);
    set_control(field::PRIMARY_CONTROLS, IA32_VMX_TRUE_PROCBASED_CTLS, HLT_ALL_IO_SECONDARY);
    set_control(field::SECONDARY_CONTROLS, IA32_VMX_PROCBASED_CTLS2, EPT_VPID_UNRESTRICTED);
    set_control(field::EXIT_CONTROLS, IA32_VMX_TRUE_EXIT_CTLS, HOST64_ACKNOWLEDGE_EFER);
    set_control(field::ENTRY_CONTROLS, IA32_VMX_TRUE_ENTRY_CTLS, LOAD_EFER);
    const WRITE_BACK_4_LEVELS: u64 = 6 | 3 << 3;
    write(field::EPT_POINTER, ept_root | WRITE_BACK_4_LEVELS);
    unsafe { invept_single_context(ept_root | WRITE_BACK_4_LEVELS) }.expect("INVEPT");
    write(field::VPID, 1);
    write(field::VMCS_LINK_POINTER, u64::MAX);
}

/// The processor's own state, to which a VM exit returns. HOST_RIP and HOST_RSP mean nothing here: control comes
/// back from the call that entered.
pub fn set_host_state() {
    const FS: u32 = 4;
    const GS: u32 = 5;
    const TR: u32 = 7;
    unsafe {
        for (index, number) in [0, 1, 2, 3, FS, GS, TR].into_iter().enumerate() {
            write(field::HOST_ES_SELECTOR + 2 * index as u32, segment(number).selector.into());
        }
        write(field::HOST_FS_BASE, segment(FS).base);
        write(field::HOST_GS_BASE, segment(GS).base);
        write(field::HOST_TR_BASE, segment(TR).base);
        write(field::HOST_GDTR_BASE, sgdt().base);
        write(field::HOST_IDTR_BASE, sidt().base);
        write(field::HOST_CR0, read_cr(0));
        write(field::HOST_CR3, read_cr(3));
        write(field::HOST_CR4, read_cr(4));
        write(field::HOST_IA32_EFER, rdmsr(IA32_EFER));
    }
}

/// Real mode, everything flat at 0.
pub fn set_guest_state(entry: u64) {
    const DATA: u64 = 0x93;
    const CODE: u64 = 0x9b;
    const BUSY_TSS: u64 = 0x8b;
    const UNUSABLE: u64 = 1 << 16;
    let rights = [DATA, CODE, DATA, DATA, DATA, DATA, UNUSABLE, BUSY_TSS];
    for (index, rights) in rights.into_iter().enumerate() {
        write(field::GUEST_ES_LIMIT + 2 * index as u32, 0xffff);
        write(field::GUEST_ES_RIGHTS + 2 * index as u32, rights);
    }
    write(field::GUEST_CR0, 0x30); // NE and ET
    write(field::GUEST_CR4, 0x2000); // VMXE
    write(field::GUEST_DR7, 0x400);
    write(field::GUEST_RFLAGS, 2);
    write(field::GUEST_RIP, entry);
    write(field::GUEST_RSP, 0x8000);
}
