/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    lcall *pointer
after:
    END
pointer:
    .long 0
    .word 0x7b
.text
entry:
    mov (%rsp), %rbx
    mov 8(%rsp), %rcx
    mov 16(%rsp), %rdi
    mov 24(%rsp), %rdx
    mov %cs, %eax
    lretq
