/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
ud:
    ud2
int3:
    int3
after_bp:
    END
vector_6:
    mov (%rsp), %rsi
    addq $2, (%rsp)
    iretq
vector_3:
    mov (%rsp), %rdi
    iretq
