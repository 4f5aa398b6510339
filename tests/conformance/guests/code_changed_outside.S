/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x24000, %r8d
    call *%r8
    mov %eax, %ebx
    out %al, $0x10
    call *%r8
    END
