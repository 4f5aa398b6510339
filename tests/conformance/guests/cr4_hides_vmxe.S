/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rbx
    mov %rbx, %rax
    or $0x80, %rax /* PGE */
    mov %rax, %cr4
    mov %cr4, %rcx
    or $0x2000, %rax
bad:
    mov %rax, %cr4
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr4, %rdx
    END
