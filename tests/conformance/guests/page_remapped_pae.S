/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $1, 0x24000
    movl $2, 0x25000
    mov 0x24000, %eax
    movl $0x25003, PAGE_TABLE + 0x24 * 8
    invlpg 0x24000
    mov 0x24000, %ebx
    END
