/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $5, %eax
    mov %rax, %cr8
    mov %cr8, %rbx
    mov $0x10, %eax /* reserved */
bad:
    mov %rax, %cr8
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
