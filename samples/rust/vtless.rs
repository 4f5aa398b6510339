// SPDX-License-Identifier: MIT
//! `include/vtless/vmx.h` in Rust: what this sample uses of it.

use std::os::raw::{c_char, c_void};

pub const ABI_MAJOR: u32 = 1;
pub const ABI_MINOR: u32 = 0;

pub const OK: i32 = 0;
pub const SUCCEED: u32 = 0;
pub const FAIL_INVALID: u32 = 1;
pub const FAIL_VALID: u32 = 2;
pub const FAULT: u32 = 3;

pub const MAP_CHECKED: u32 = 0;

#[repr(C)]
pub struct Machine {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Processor {
    _opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub kind: u32,
    pub number: u32,
    pub error_code: u32,
}

#[repr(C)]
pub struct MachineConfig {
    pub size: u32,
    pub reserved: u32,
    pub memory_bytes: u64,
    pub cpu_profile: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Gprs {
    pub gpr: [u64; 16],
}

#[repr(C)]
#[derive(Default)]
pub struct CpuidResult {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

#[repr(C)]
#[derive(Default)]
pub struct DescriptorTable {
    pub base: u64,
    pub limit: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Default)]
pub struct Segment {
    pub base: u64,
    pub selector: u32,
    pub reserved: u32,
}

#[repr(C)]
pub struct EntryFailure {
    pub size: u32,
    pub reserved: u32,
    pub check: *const c_char,
    pub section: *const c_char,
    pub sentence: *const c_char,
    pub field: *const c_char,
    pub value: u64,
    pub allowed: *const c_char,
}

#[link(name = "vtless")]
extern "C" {
    pub fn vtless_error_text() -> *const c_char;
    pub fn vtless_open(major: u32, minor: u32, config: *const MachineConfig, machine: *mut *mut Machine) -> i32;
    pub fn vtless_close(machine: *mut Machine) -> i32;
    pub fn vtless_add_processor(machine: *mut Machine, processor: *mut *mut Processor) -> i32;
    pub fn vtless_alloc_frames(machine: *mut Machine, count: u64, alignment: u64, hpa: *mut u64) -> i32;
    pub fn vtless_map(machine: *mut Machine, hpa: u64, bytes: u64, mode: u32, pointer: *mut *mut c_void) -> i32;

    pub fn vtless_vmxon(processor: *mut Processor, hpa: u64) -> Outcome;
    pub fn vtless_vmxoff(processor: *mut Processor) -> Outcome;
    pub fn vtless_vmclear(processor: *mut Processor, hpa: u64) -> Outcome;
    pub fn vtless_vmptrld(processor: *mut Processor, hpa: u64) -> Outcome;
    pub fn vtless_vmread(processor: *mut Processor, field: u32, value: *mut u64) -> Outcome;
    pub fn vtless_vmwrite(processor: *mut Processor, field: u32, value: u64) -> Outcome;
    pub fn vtless_vmlaunch(processor: *mut Processor, gprs: *mut Gprs) -> Outcome;
    pub fn vtless_vmresume(processor: *mut Processor, gprs: *mut Gprs) -> Outcome;
    pub fn vtless_invept(processor: *mut Processor, kind: u64, descriptor: *const u64) -> Outcome;

    pub fn vtless_rdmsr(processor: *mut Processor, msr: u32, value: *mut u64) -> Outcome;
    pub fn vtless_read_cr(processor: *mut Processor, number: u32, value: *mut u64) -> Outcome;
    pub fn vtless_write_cr(processor: *mut Processor, number: u32, value: u64) -> Outcome;
    pub fn vtless_cpuid(processor: *mut Processor, leaf: u32, subleaf: u32, result: *mut CpuidResult) -> Outcome;
    pub fn vtless_sgdt(processor: *mut Processor, table: *mut DescriptorTable) -> Outcome;
    pub fn vtless_sidt(processor: *mut Processor, table: *mut DescriptorTable) -> Outcome;
    pub fn vtless_read_segment(processor: *mut Processor, segment: u32, value: *mut Segment) -> Outcome;

    pub fn vtless_explain_entry(processor: *mut Processor, failure: *mut EntryFailure) -> i32;
}
