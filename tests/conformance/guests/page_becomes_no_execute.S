/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movb $0xc3, 0x24000
    mov $0x24000, %r8d
    call *%r8
    inc %ebx
    movl $0x80000000, PAGE_TABLE + 0x24 * 8 + 4
    invlpg 0x24000
    call *%r8
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    END
