/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    xor %ecx, %ecx
divide:
    div %ecx
    ud2
vector_0_absent:
vector_8:
    pop %rsi
    mov (%rsp), %rdi
    END
