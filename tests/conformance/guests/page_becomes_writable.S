/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0x24001, PAGE_TABLE + 0x24 * 8
    invlpg 0x24000
    mov 0x24000, %eax
    movl $9, 0x24000
    END
vector_14:
    inc %ebx
    pop %rsi
    movq $0x24003, PAGE_TABLE + 0x24 * 8
    iretq
