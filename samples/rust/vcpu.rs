// SPDX-License-Identifier: MIT
//! One virtual CPU: entered, left, and what its exits ask for.

use crate::hardware::text;
use crate::vmcs::{self, field, VmxRegion};
use crate::vmx_instructions::*;
use crate::{hardware, vtless};

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBX: usize = 3;

// SDM Vol. 3D "VMX Basic Exit Reasons" (Appendix C).
const CPUID: u64 = 10;
const HLT: u64 = 12;
const IO_INSTRUCTION: u64 = 30;

pub enum ExitReason {
    Nothing,
    IoWrite { port: u16, data: u64 },
    Halt,
    FailEntry { number: u64 },
    Other(u64),
}

pub struct VmxVcpu {
    registers: vtless::Gprs,
    vmcs: VmxRegion,
    launched: bool,
}

impl VmxVcpu {
    pub fn new(entry: u64, ept_root: u64) -> VmxVcpu {
        let vmcs = VmxRegion::new();
        unsafe {
            vmclear(vmcs.0).expect("VMCLEAR");
            vmptrld(vmcs.0).expect("VMPTRLD");
        }
        vmcs::set_controls(ept_root);
        vmcs::set_host_state();
        vmcs::set_guest_state(entry);
        VmxVcpu { registers: vtless::Gprs::default(), vmcs, launched: false }
    }

    pub fn run(&mut self) -> ExitReason {
        let entered = unsafe {
            if self.launched {
                vmresume(&mut self.registers)
            } else {
                vmlaunch(&mut self.registers)
            }
        };
        match entered {
            Err(VmFail::VmFailInvalid) => return ExitReason::FailEntry { number: 0 },
            Err(VmFail::VmFailValid) => return ExitReason::FailEntry { number: vmcs::read(field::VM_INSTRUCTION_ERROR) },
            Ok(()) => {}
        }
        let reason = vmcs::read(field::EXIT_REASON);
        if reason >> 31 != 0 {
            return ExitReason::FailEntry { number: reason };
        }
        self.launched = true;
        match reason {
            CPUID => self.answer_cpuid(),
            HLT => ExitReason::Halt,
            IO_INSTRUCTION => self.io(),
            _ => ExitReason::Other(reason),
        }
    }

    fn advance_rip(&self) {
        vmcs::write(field::GUEST_RIP, vmcs::read(field::GUEST_RIP) + vmcs::read(field::EXIT_INSTRUCTION_LENGTH));
    }

    fn answer_cpuid(&mut self) -> ExitReason {
        const LEAF_HYPERVISOR: u32 = 0x4000_0000;
        const VENDOR: &[u8; 12] = b"RustOnVtless";
        let word = |at: usize| u32::from_le_bytes([VENDOR[at], VENDOR[at + 1], VENDOR[at + 2], VENDOR[at + 3]]);
        let gpr = &mut self.registers.gpr;
        let leaf = gpr[RAX] as u32;
        let answer = if leaf == LEAF_HYPERVISOR {
            vtless::CpuidResult { eax: LEAF_HYPERVISOR, ebx: word(0), ecx: word(4), edx: word(8) }
        } else {
            unsafe { cpuid(leaf, gpr[RCX] as u32) }
        };
        gpr[RAX] = answer.eax.into();
        gpr[RBX] = answer.ebx.into();
        gpr[RCX] = answer.ecx.into();
        gpr[RDX] = answer.edx.into();
        self.advance_rip();
        ExitReason::Nothing
    }

    /// SDM Vol. 3C table 28-5: size minus one, direction, string, REP, port.
    fn io(&mut self) -> ExitReason {
        let qualification = vmcs::read(field::EXIT_QUALIFICATION);
        let (size, is_in, is_string) = ((qualification & 7) + 1, qualification & 1 << 3 != 0, qualification & 1 << 4 != 0);
        if is_in || is_string {
            return ExitReason::Other(IO_INSTRUCTION);
        }
        self.advance_rip();
        let data = self.registers.gpr[RAX] & (u64::MAX >> (64 - 8 * size));
        ExitReason::IoWrite { port: (qualification >> 16) as u16, data }
    }
}

impl Drop for VmxVcpu {
    fn drop(&mut self) {
        unsafe { vmclear(self.vmcs.0) }.expect("VMCLEAR");
    }
}

/// What no silicon tells.
pub fn why_entry_failed() -> String {
    let empty = std::ptr::null();
    let mut failure = vtless::EntryFailure {
        size: std::mem::size_of::<vtless::EntryFailure>() as u32,
        reserved: 0,
        check: empty,
        section: empty,
        sentence: empty,
        field: empty,
        value: 0,
        allowed: empty,
    };
    if unsafe { vtless::vtless_explain_entry(hardware::processor(), &mut failure) } != vtless::OK {
        return "no check failed".to_string();
    }
    format!(
        "{}: {} {} is {:#x}; allowed: {} [{}]",
        text(failure.check),
        text(failure.sentence),
        text(failure.field),
        failure.value,
        text(failure.allowed),
        text(failure.section)
    )
}
