/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $1, 0x24000
    movq $0x24001, PAGE_TABLE + 0x24 * 8
    invlpg 0x24000
store:
    movl $2, 0x24000
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    END
