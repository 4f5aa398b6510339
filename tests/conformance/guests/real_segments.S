/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x1234, %ax
    mov %ax, %ds
    movw $0xbeef, 0x10
    mov $0xffff, %ax
    mov %ax, %es
    movw $0x5aa5, %es:0x10 /* 100000H: no wrap at 1 MiB */
    mov $0x1000, %ax
    mov %ax, %ss
    xor %sp, %sp
    push $0x7777
    END
