/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    or $4, %rax /* TSD */
    mov %rax, %cr4
    push $USER_DATA
    push $USER_STACK
    push $2
    push $USER_CODE64
    push $rdtsc
    iretq
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
.section .user, "ax"
rdtsc:
    rdtsc
    ud2
