/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x8000000000000000, %rbx
load:
    mov (%rbx), %rax
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    mov 16(%rsp), %rdx
    shr $16, %edx
    and $1, %edx /* RF */
    END
