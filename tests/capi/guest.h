/* SPDX-License-Identifier: MIT
 * A hypervisor as small as can be, in C, for the tests: one real-mode guest with 64 KiB of memory. */
#pragma once

#include "vtless/vmx.h"

enum {
    GUEST_BYTES = 0x10000, /* GPA 0 to this, through EPT; nothing is mapped above */
    GUEST_CODE = 0x1000,   /* GPA at which it starts */
    GUEST_STACK = 0x8000
};

typedef struct guest {
    vtless_machine* machine;
    vtless_processor* processor;
    uint64_t ram;   /* HPA of the guest's memory */
    uint64_t vmxon; /* HPA of the VMXON region */
    uint64_t vmcs;  /* HPA of the VMCS, which is current */
    vtless_gprs gprs;
    int launched;
} guest;

/* A machine with one processor, outside VMX operation. cpu_profile may be null. */
void open_machine(guest* g, const char* cpu_profile);
/* The same, and a guest that is ready to be launched. */
void open_guest(guest* g);
/* Puts another processor of the machine into VMX operation, with a guest in the same memory. */
void open_guest_beside(guest* g, const guest* first);
void close_guest(guest* g);

uint64_t alloc_frame(guest* g);
uint64_t vmread(guest* g, uint32_t field);
void vmwrite(guest* g, uint32_t field, uint64_t value);
/* To guest-physical memory. */
void put_code(guest* g, uint64_t gpa, const void* bytes, uint64_t count);
/* Enters, and returns the basic exit reason. */
uint32_t run(guest* g);
/* Past the instruction that has exited, and on. */
uint32_t skip(guest* g);
/* A control word: what is wanted and what must be, of what may be. true_msr: IA32_VMX_TRUE_..._CTLS. */
uint32_t adjusted(guest* g, uint32_t true_msr, uint32_t wanted);
