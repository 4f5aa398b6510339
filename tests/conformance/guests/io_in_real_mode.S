/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x1234, %ax
    mov %ax, %es
    movb $0x5a, %es:0x10
    mov $0x10, %si
    mov $2, %cx
    mov $0x70, %dx
    rep outsb %es:(%si), %dx
    in %dx, %ax
    END
