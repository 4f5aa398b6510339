/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
ud:
    ud2
    mov $5, %eax
    xor %edx, %edx
    xor %ecx, %ecx
divide:
    div %ecx
    mov $0x80, %eax
    mov $1, %ecx
too_large:
    xor %edx, %edx
    inc %edx
    div %ecx
    END
vector_6:
    mov (%rsp), %rsi
    addq $2, (%rsp)
    iretq
vector_0:
    mov (%rsp), %rdi
    inc %ebx
    addq $2, (%rsp)
    iretq
