// SPDX-License-Identifier: MIT
//! The instructions, by the names and with the results of the `x86` crate's `bits64::vmx`, `msr` and
//! `controlregs`: in a hypervisor, the one module to replace. On silicon each is a line of assembly.

use crate::hardware::{processor, text};
use crate::vtless;

#[derive(Debug, PartialEq, Eq)]
pub enum VmFail {
    VmFailValid,
    VmFailInvalid,
}

pub type Result<T> = core::result::Result<T, VmFail>;

/// An exception would reach the kernel's handler, and a call that makes no sense has no counterpart: both stop us.
fn result(name: &str, outcome: vtless::Outcome) -> Result<()> {
    match outcome.kind {
        vtless::SUCCEED => Ok(()),
        vtless::FAIL_INVALID => Err(VmFail::VmFailInvalid),
        vtless::FAIL_VALID => Err(VmFail::VmFailValid),
        vtless::FAULT => panic!("{name}: exception {} ({:#x})", outcome.number, outcome.error_code),
        _ => panic!("{name}: {}", text(unsafe { vtless::vtless_error_text() })),
    }
}

fn must(name: &str, outcome: vtless::Outcome) {
    if let Err(fail) = result(name, outcome) {
        panic!("{name}: {fail:?}");
    }
}

pub unsafe fn vmxon(addr: u64) -> Result<()> {
    result("VMXON", vtless::vtless_vmxon(processor(), addr))
}

pub unsafe fn vmxoff() -> Result<()> {
    result("VMXOFF", vtless::vtless_vmxoff(processor()))
}

pub unsafe fn vmclear(addr: u64) -> Result<()> {
    result("VMCLEAR", vtless::vtless_vmclear(processor(), addr))
}

pub unsafe fn vmptrld(addr: u64) -> Result<()> {
    result("VMPTRLD", vtless::vtless_vmptrld(processor(), addr))
}

pub unsafe fn vmread(field: u32) -> Result<u64> {
    let mut value = 0;
    result("VMREAD", vtless::vtless_vmread(processor(), field, &mut value)).map(|()| value)
}

pub unsafe fn vmwrite(field: u32, value: u64) -> Result<()> {
    result("VMWRITE", vtless::vtless_vmwrite(processor(), field, value))
}

pub unsafe fn invept_single_context(eptp: u64) -> Result<()> {
    result("INVEPT", vtless::vtless_invept(processor(), 1, [eptp, 0].as_ptr()))
}

/// In place of the naked functions that load the guest's registers, enter, and save them at the host's entry point.
pub unsafe fn vmlaunch(registers: &mut vtless::Gprs) -> Result<()> {
    result("VMLAUNCH", vtless::vtless_vmlaunch(processor(), registers))
}

pub unsafe fn vmresume(registers: &mut vtless::Gprs) -> Result<()> {
    result("VMRESUME", vtless::vtless_vmresume(processor(), registers))
}

pub unsafe fn rdmsr(msr: u32) -> u64 {
    let mut value = 0;
    must("RDMSR", vtless::vtless_rdmsr(processor(), msr, &mut value));
    value
}

pub unsafe fn read_cr(number: u32) -> u64 {
    let mut value = 0;
    must("MOV from CR", vtless::vtless_read_cr(processor(), number, &mut value));
    value
}

pub unsafe fn write_cr(number: u32, value: u64) {
    must("MOV to CR", vtless::vtless_write_cr(processor(), number, value));
}

pub unsafe fn cpuid(leaf: u32, subleaf: u32) -> vtless::CpuidResult {
    let mut result = vtless::CpuidResult::default();
    must("CPUID", vtless::vtless_cpuid(processor(), leaf, subleaf, &mut result));
    result
}

pub unsafe fn sgdt() -> vtless::DescriptorTable {
    let mut table = vtless::DescriptorTable::default();
    must("SGDT", vtless::vtless_sgdt(processor(), &mut table));
    table
}

pub unsafe fn sidt() -> vtless::DescriptorTable {
    let mut table = vtless::DescriptorTable::default();
    must("SIDT", vtless::vtless_sidt(processor(), &mut table));
    table
}

/// Selector and base: ES CS SS DS FS GS LDTR TR are 0 to 7.
pub unsafe fn segment(number: u32) -> vtless::Segment {
    let mut value = vtless::Segment::default();
    must("segment", vtless::vtless_read_segment(processor(), number, &mut value));
    value
}
