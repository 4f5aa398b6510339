// SPDX-License-Identifier: MIT
// Guests that exit, or are interrupted, again and again. RSI: data.
#include "bench/guests/guest.inc"

GUEST(cpuid_loop)
1:  cpuid
    jmp 1b
END_GUEST(cpuid_loop)

GUEST(hlt_loop)
1:  hlt
    jmp 1b
END_GUEST(hlt_loop)

GUEST(out_loop)
1:  out %al, $0x80
    jmp 1b
END_GUEST(out_loop)

// Each load is at guest-physical memory that is not there.
GUEST(missing_page_loop)
1:  mov 0x600000, %rax
    nop
    jmp 1b
END_GUEST(missing_page_loop)

// Touches RBP pages of data, then halts.
GUEST(touch_and_halt)
    mov %rbp, %rdi
    mov %rsi, %rbx
1:  mov (%rbx), %rax
    add $4096, %rbx
    dec %rdi
    jnz 1b
    hlt
END_GUEST(touch_and_halt)

// The same as an interrupt's handler: drops the frame and takes interrupts again.
GUEST(interrupt_handler)
    add $40, %rsp
    sti
    mov %rbp, %rdi
    mov %rsi, %rbx
1:  mov (%rbx), %rax
    add $4096, %rbx
    dec %rdi
    jnz 1b
    hlt
END_GUEST(interrupt_handler)

// RCX times: touches RBP pages, then #PF whose handler drops the frame and goes on behind the load. RDI: a page that is not present.
GUEST(page_fault_loop)
1:  mov %rbp, %r8
    mov %rsi, %rbx
2:  mov (%rbx), %rax
    add $4096, %rbx
    dec %r8
    jnz 2b
    mov (%rdi), %rax
3:  dec %rcx
    jnz 1b
    hlt
GUEST_LABEL(page_fault_handler)
    add $48, %rsp
    jmp 3b
END_GUEST(page_fault_loop)

// Starts at its handler, at CPL 0, with RCX its first instruction. R15 times: touches RBP pages at CPL 3, then
// SYSCALL to the handler, which returns.
GUEST(system_call_loop)
1:  mov %rbp, %r8
    mov %rsi, %rbx
2:  mov (%rbx), %rax
    add $4096, %rbx
    dec %r8
    jnz 2b
    syscall
    jmp 1b
GUEST_LABEL(system_call_handler)
    dec %r15
    jz 3f
    sysretq
3:  hlt
END_GUEST(system_call_loop)

.section .note.GNU-stack, "", %progbits
