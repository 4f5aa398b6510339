/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x8000000000000000, %rbp
load:
    mov (%rbp), %rax
    ud2
vector_12:
    pop %rsi
    mov (%rsp), %rdi
    END
