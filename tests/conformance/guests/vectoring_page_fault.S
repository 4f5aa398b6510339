/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
load:
    mov 0x400000, %rax
    ud2
vector_14:
    inc %ebx
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    END
