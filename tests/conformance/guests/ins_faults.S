/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0, PAGE_TABLE + 0x21 * 8
    mov $0x20ffe, %rdi
    mov $0x300, %edx
insl:
    insl
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rbx
    mov %cr2, %rax
    END
