/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $5, 0x25000
    movq $0, PAGE_TABLE + 0x24 * 8
    invlpg 0x24000
load:
    mov 0x24000, %eax
    END
vector_14:
    inc %ebx
    pop %rsi
    mov %cr2, %rdi
    movq $0x25003, PAGE_TABLE + 0x24 * 8
    iretq
