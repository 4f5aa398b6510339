/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $0x87654321, 0x200010
    mov 0x200010, %eax
    movq $0x83, 0x2008 /* 1 GiB at 40000000H onto 0 */
    movl $0x31337, 0x20000
    mov 0x40020000, %ebx
    END
