/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movb $0xc3, 0x30000
    mov $0x30000, %ebx
    call *%rbx
    mov %cr4, %rax
    bts $20, %rax
    mov %rax, %cr4
    call *%rbx
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    END
