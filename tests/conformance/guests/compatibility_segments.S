/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $0x0000000f, 0x5000 + 0x78 /* base 20000H, 16 bytes */
    movl $0x00409302, 0x5000 + 0x7c
    push $CODE32
    push $in_compatibility_mode
    lretq
.code32
in_compatibility_mode:
    mov $0x78, %eax
    mov %eax, %es
    movl $0x27182818, %es:8
    END
