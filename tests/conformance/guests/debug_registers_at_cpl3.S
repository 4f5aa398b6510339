/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov %dr0, %r12
    ud2
.text
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
