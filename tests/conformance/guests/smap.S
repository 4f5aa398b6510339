/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    bts $21, %rax
    mov %rax, %cr4
    stac
    mov 0x30000, %ebx
    clac
load:
    mov 0x30000, %ebx
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    END
