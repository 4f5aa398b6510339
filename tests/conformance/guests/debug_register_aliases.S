/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    or $8, %eax /* DE */
    mov %rax, %cr4
alias:
    mov %rcx, %dr5
    ud2
vector_6:
    mov (%rsp), %rdi
    END
