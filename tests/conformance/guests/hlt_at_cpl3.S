/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
hlt:
    hlt
    ud2
.text
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
