/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr0, %rax
    or $8, %rax
    mov %rax, %cr0
fpu:
    fld1
    ud2
vector_7:
    mov (%rsp), %rdi
    END
