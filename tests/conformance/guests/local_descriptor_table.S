/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x0000ffff, 0x21008 /* LDT entry 1: base 30000H */
    movl $0x00409303, 0x2100c
    movl $0x1000000f, 0x5078 /* the LDT: base 21000H, 16 bytes */
    movl $0x00008202, 0x507c
    mov $0x78, %eax
    lldt %ax
    sldt %ebx
    mov $0x0c, %eax
    mov %eax, %fs
    movl $0x600df00d, %fs:4
    END
