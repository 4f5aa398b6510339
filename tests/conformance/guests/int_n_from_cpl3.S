/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    int $0x31
after:
    int3
after_bp:
    END
.text
vector_49_dpl3:
    mov (%rsp), %rdi
    mov 8(%rsp), %rbx
    mov 24(%rsp), %rbp
    mov 32(%rsp), %rcx
    mov %rsp, %rsi
    iretq
vector_3_dpl3:
    mov (%rsp), %rdx
    iretq
