/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    nop
    END
vector_13:
    mov (%rsp), %rsi
    mov 8(%rsp), %rdi
    mov %rsp, %rdx
    mov %cr2, %rbx
    END
vector_14:
    mov (%rsp), %rsi
    mov 8(%rsp), %rdi
    mov %cr2, %rbx
    END
