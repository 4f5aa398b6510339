/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x2000, %ax
    mov %ax, %ds
    mov $0xfffe, %si
    mov $2, %cx
    mov $0x300, %dx
    rep outsw
    END
