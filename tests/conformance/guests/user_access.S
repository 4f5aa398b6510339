/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov 0x30000, %eax
load:
    mov 0x24000, %eax
    ud2
.text
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    END
