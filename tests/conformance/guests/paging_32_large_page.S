/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x00000083, 0x1004 /* 4 MiB at 400000H onto 0 */
    movl $0x11223344, 0x20000
    mov 0x420000, %eax
    movl $0x55667788, 0x420004
    mov 0x20004, %ebx
    END
