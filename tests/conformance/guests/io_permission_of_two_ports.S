/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
out:
    out %ax, $0xe0
    ud2
.text
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
