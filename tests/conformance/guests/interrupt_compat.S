/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0xfffc, %esp
    jmp .
.code64
vector_64:
    mov (%rsp), %rdi
    mov 8(%rsp), %rbx
    mov 24(%rsp), %rdx
    mov %rsp, %rsi
    mov %cs, %eax
    END
