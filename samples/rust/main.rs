// SPDX-License-Identifier: MIT
//! A small hypervisor, structured as AxVisor's x86 backend is, on the software processor. Its guest asks for the
//! hypervisor's name and prints it, byte by byte, through a port.
//!
//! usage: rust_sample [--broken]      --broken: a guest state that no processor enters, and why

mod hardware;
mod vcpu;
mod vmcs;
mod vmx_instructions;
mod vtless;

use hardware::{alloc_frames, phys_to_virt};
use std::process::ExitCode;
use vcpu::{ExitReason, VmxVcpu};
use vmx_instructions::*;

const GUEST_PAGES: u64 = 16;
const ENTRY: u64 = 0x1000;
const TEXT: u64 = 0x1040;
const CONSOLE: u16 = 0xe9;

const CODE: [u8; 38] = [
    0x66, 0xb8, 0x00, 0x00, 0x00, 0x40, // mov eax, 40000000h
    0x0f, 0xa2, // cpuid
    0x66, 0x89, 0x1e, 0x56, 0x10, // mov [1056h], ebx: behind the text
    0x66, 0x89, 0x0e, 0x5a, 0x10, // mov [105ah], ecx
    0x66, 0x89, 0x16, 0x5e, 0x10, // mov [105eh], edx
    0xbe, 0x40, 0x10, // mov si, 1040h
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x04, // jz done
    0xe6, 0xe9, // out 0e9h, al
    0xeb, 0xf7, // jmp next
    0xf4, // done: hlt
    0xeb, 0xfd, // jmp done
];

fn hardware_enable() {
    const CR4_VMXE: u64 = 1 << 13;
    unsafe {
        write_cr(4, read_cr(4) | CR4_VMXE);
        vmxon(vmcs::VmxRegion::new().0).expect("VMXON");
    }
}

fn write_entry(table: u64, index: u64, entry: u64) {
    unsafe { *phys_to_virt(table + 8 * index).cast::<u64>() = entry };
}

/// Guest-physical memory from 0 on, 4-KiB pages. Returns the root.
fn build_ept(ram: u64) -> u64 {
    const ALL: u64 = 7;
    const WRITE_BACK: u64 = 6 << 3;
    let root = alloc_frames(1);
    let mut table = root;
    for _ in 0..3 {
        let next = alloc_frames(1);
        write_entry(table, 0, next | ALL);
        table = next;
    }
    for page in 0..GUEST_PAGES {
        write_entry(table, page, (ram + page * 4096) | ALL | WRITE_BACK);
    }
    root
}

fn load_guest(ram: u64) {
    let text = b"Hello from a guest of ------------\n\0";
    let copy = |gpa: u64, bytes: &[u8]| unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), phys_to_virt(ram + gpa), bytes.len());
    };
    copy(ENTRY, &CODE);
    copy(TEXT, text);
}

fn run(mut vcpu: VmxVcpu) -> ExitCode {
    for exits in 1u64.. {
        match vcpu.run() {
            ExitReason::Nothing => {}
            ExitReason::IoWrite { port: CONSOLE, data } => print!("{}", data as u8 as char),
            ExitReason::Halt => {
                println!("halted after {exits} exits");
                break;
            }
            ExitReason::FailEntry { number } => {
                println!("VM entry failed, {number:#x}: {}", vcpu::why_entry_failed());
                return ExitCode::from(3);
            }
            ExitReason::IoWrite { port, .. } => panic!("port {port:#x}"),
            ExitReason::Other(reason) => panic!("exit reason {reason}"),
        }
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let _power = hardware::PowerOn::new(4 << 20);
    hardware_enable();
    let ram = alloc_frames(GUEST_PAGES);
    load_guest(ram);
    let vcpu = VmxVcpu::new(ENTRY, build_ept(ram));
    if std::env::args().any(|argument| argument == "--broken") {
        vmcs::write(vmcs::field::GUEST_RFLAGS, 0);
    }
    let status = run(vcpu);
    unsafe { vmxoff() }.expect("VMXOFF");
    status
}
