/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov 0x400000, %rax /* not present */
    mov %rax, 0x30000 /* read-only after the edit below */
    END
vector_14:
    add (%rsp), %rsi
    inc %ebx
    mov %cr2, %rdi
    pop %rax
    addq $8, (%rsp)
    iretq
