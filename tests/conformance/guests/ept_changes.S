/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x24000, %r8d
    movl $1, 0x25000
    call *%r8
    mov %eax, %ebx
    out %al, $0x10
load:
    mov 0x25000, %ecx
store:
    movl $2, 0x25000
    call *%r8
    END
