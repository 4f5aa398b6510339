/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $1, 0x24000
    movq $0x24003, PAGE_TABLE + 0x24 * 8
    invlpg 0x24000
    mov 0x24000, %eax
    mov PAGE_TABLE + 0x24 * 8, %rbx
    movl $2, 0x24000
    mov PAGE_TABLE + 0x24 * 8, %rcx
    END
