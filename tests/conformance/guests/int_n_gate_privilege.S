/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
int:
    int $0x30
    ud2
.text
vector_48:
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
