/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr0, %rbx
    mov %rbx, %rax
    or $8, %rax /* TS: the guest's own */
    mov %rax, %cr0
    mov %cr0, %rcx
    clts
    mov %cr0, %rdx
    mov %rdx, %rax
    or $0x20, %rax /* NE: fixed by VMX */
write_ne:
    mov %rax, %cr0
    mov %cr0, %rsi
    END
