/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movb $0xc3, 0x22000
    mov $0x22000, %eax
    call *%rax
    mov $1, %ebx
    END
