/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    jmp .
vector_2:
    mov (%rsp), %rdi
    inc %ebx
    END
