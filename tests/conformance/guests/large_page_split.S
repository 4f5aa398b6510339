/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $1, 0x200000
    movl $2, 0x24000
    mov 0x200000, %eax
    movq $0x24003, 0x26000
    movq $0x201003, 0x26008
    movl $3, 0x201000
    movq $0x26003, 0x3008
    invlpg 0x200000
    mov 0x200000, %ebx
    mov 0x201000, %ecx
    END
