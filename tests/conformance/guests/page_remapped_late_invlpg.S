/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $1, 0x24000
    movl $2, 0x25000
    mov 0x24000, %eax
    movq $0x25003, PAGE_TABLE + 0x24 * 8
    mov 0x24000, %ebx /* the old or the new one */
    invlpg 0x24000
    mov 0x24000, %ecx
    END
