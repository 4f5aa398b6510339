/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x2000, %ax
    mov %ax, %ds
    mov $0x100, %bx
    mov $0x20, %si
    mov $0x1234, %ax
    mov %ax, (%bx,%si)
    mov %al, 0x10(%bx)
    mov 0x300, %cx
    mov %bx, %bp
    mov %ds:4(%bp), %dx
    END
