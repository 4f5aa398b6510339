/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x123456789000, %rax
    mov %rax, %dr0
    mov %rax, %dr3
    xor %eax, %eax
    mov %rax, %dr7
    mov %dr0, %rbx
    mov %dr3, %rcx
    mov %dr7, %rdx
    mov $0xffffffff00000000, %rax
bad:
    mov %rax, %dr7
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
