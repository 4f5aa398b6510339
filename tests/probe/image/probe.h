// SPDX-License-Identifier: MIT
// What the probe's parts share: the VMX instructions of instructions.S, printing, and one row of its table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/x86/msr.h"
#include "isa/x86/vmcs_field.h"
#include "samples/rom/output.h"

namespace probe {

using vtless::x86::Msr;
using Field = vtless::x86::VmcsField;

extern "C" {
uint64_t vmx_on(const uint64_t* region);
uint64_t vmx_off();
uint64_t vmx_call();
uint64_t vmx_clear(const uint64_t* region);
uint64_t vmx_load_pointer(const uint64_t* region);
uint64_t vmx_store_pointer(uint64_t* region);
uint64_t vmx_write(uint64_t field, uint64_t value);
uint64_t vmx_read(uint64_t field, uint64_t* value);
uint64_t vmx_invept(uint64_t type, const uint64_t* descriptor);
uint64_t vmx_invvpid(uint64_t type, const uint64_t* descriptor);
uint64_t vmx_launch_behind_mov_ss();
uint64_t write_msr_parts(uint32_t msr, uint64_t value);
uint64_t read_msr_to(uint32_t msr, uint64_t* value);
uint64_t write_cr0(uint64_t value);
uint64_t write_cr4(uint64_t value);
uint64_t vm_enter(bool resume);
extern const uint8_t host_entry[], exceptions[], gdt_pointer[];
// Guest code: VMCALL, and 256 handlers of 8 bytes that each execute VMCALL.
extern const uint8_t guest_vmcall[], guest_handlers[];
// A read and a write of 600000H, 16 bytes apart; the address of a snippet that reads where nothing is mapped.
extern const uint8_t guest_page_accesses[];
extern const uint64_t guest_page_faults;
extern uint64_t exception_error;
extern uint64_t scratch[512];
}

struct alignas(4096) Page {
    uint64_t words[512];
    uint64_t address() const { return reinterpret_cast<uint64_t>(words); }
};

inline uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

using rom::put;
using rom::put_hex;

inline uint64_t read_msr(Msr msr) {
    uint64_t value = 0;
    return read_msr_to(static_cast<uint32_t>(msr), &value) == 0 ? value : 0;
}

// The baseline: a 64-bit guest without EPT that executes VMCALL. Each field is the baseline's until the row
// sets it, and the VMCS is clear.
void set_up_vmx();
void begin_row();
// Before the entry. Later values win. Notes the first VMWRITE that fails.
void set(Field field, uint64_t value);
uint64_t get(Field field);
// For a word of controls: as much of it as the processor allows.
void set_controls(Field field, uint32_t value);
uint64_t baseline(Field field);
bool is_supported(Field field);
unsigned physical_bits();
uint64_t vmxon_region();
uint64_t vmcs_region();
uint64_t ept_pointer();
uint64_t& ept_entry(uint64_t physical);  // that maps it, a page of 2 MiB
// Page tables that map the first GiB one to one, by 4 MiB and by 2 MiB.
uint64_t tables_32();
uint64_t tables_pae();

// One line of the table: its key, then '|' and what happened. key: group, then hexadecimal words.
void key(const char* group, uint64_t a, uint64_t b);
void key(const char* group, uint64_t a, uint64_t b, uint64_t c);
void put_status(uint64_t status);  // of an instruction; ends the line
void enter_and_report();           // enters the guest; ends the line

// The groups of rows.
void capability_rows();
void instruction_rows();
void field_rows();
void segment_rows();
void event_rows();
void state_rows();
void exit_rows();
void last_rows();

}  // namespace probe
