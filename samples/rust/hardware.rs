// SPDX-License-Identifier: MIT
//! The machine under the hypervisor: one processor, and its memory as a kernel's linear mapping shows it.

use crate::vtless;
use std::cell::Cell;
use std::ffi::CStr;
use std::os::raw::c_char;
use std::ptr::null_mut;

const PAGE_SIZE: u64 = 4096;

#[derive(Clone, Copy)]
struct Hardware {
    machine: *mut vtless::Machine,
    processor: *mut vtless::Processor,
    memory: *mut u8,
}

thread_local! {
    // Instructions have no operand that names the processor: it is the one that executes them.
    static HARDWARE: Cell<Hardware> =
        const { Cell::new(Hardware { machine: null_mut(), processor: null_mut(), memory: null_mut() }) };
}

/// Closes the machine when it goes out of scope.
pub struct PowerOn(());

impl PowerOn {
    pub fn new(memory_bytes: u64) -> PowerOn {
        let config = vtless::MachineConfig {
            size: std::mem::size_of::<vtless::MachineConfig>() as u32,
            reserved: 0,
            memory_bytes,
            cpu_profile: std::ptr::null(),
        };
        let mut hardware = Hardware { machine: null_mut(), processor: null_mut(), memory: null_mut() };
        let mut memory = null_mut();
        unsafe {
            must(vtless::vtless_open(vtless::ABI_MAJOR, vtless::ABI_MINOR, &config, &mut hardware.machine));
            must(vtless::vtless_add_processor(hardware.machine, &mut hardware.processor));
            must(vtless::vtless_map(hardware.machine, 0, memory_bytes, vtless::MAP_CHECKED, &mut memory));
        }
        hardware.memory = memory.cast();
        HARDWARE.with(|current| current.set(hardware));
        PowerOn(())
    }
}

impl Drop for PowerOn {
    fn drop(&mut self) {
        must(unsafe { vtless::vtless_close(HARDWARE.with(Cell::get).machine) });
    }
}

pub fn processor() -> *mut vtless::Processor {
    HARDWARE.with(Cell::get).processor
}

/// A zeroed frame's host-physical address.
pub fn alloc_frames(count: u64) -> u64 {
    let mut hpa = 0;
    must(unsafe { vtless::vtless_alloc_frames(HARDWARE.with(Cell::get).machine, count, PAGE_SIZE, &mut hpa) });
    hpa
}

pub fn phys_to_virt(hpa: u64) -> *mut u8 {
    unsafe { HARDWARE.with(Cell::get).memory.add(hpa as usize) }
}

/// A text of the library's.
pub fn text(pointer: *const c_char) -> String {
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn must(error: i32) {
    if error != vtless::OK {
        panic!("vtless: {}", text(unsafe { vtless::vtless_error_text() }));
    }
}
