/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    jmp .
.text
vector_64:
    mov (%rsp), %rdi
    mov 8(%rsp), %rbx
    mov 16(%rsp), %rcx
    mov 24(%rsp), %rdx
    mov 32(%rsp), %rbp
    mov %rsp, %rsi
    mov %ss, %eax
    END
