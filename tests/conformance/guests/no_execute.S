/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movb $0xc3, 0x22000
    mov $0x22000, %eax
    call *%rax
    movl $0x80000000, PAGE_TABLE + 0x22 * 8 + 4
    invlpg 0x22000
    call *%rax
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    END
