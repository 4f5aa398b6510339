/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x2400, %eax /* GD */
    mov %rax, %dr7
guarded:
    mov %dr1, %rbx
    ud2
vector_1:
    mov (%rsp), %rdi
    mov 16(%rsp), %rsi
    mov %dr7, %rcx
    mov %dr6, %rdx
    END
