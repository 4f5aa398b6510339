/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x2000, %ax
    mov %ax, %ds
    mov %ax, %ss
    inc %ax
    mov %ax, %es
    mov $0x100, %ebx
    mov $0x200, %bp
    mov $0x10, %esi
    mov $0x20, %di
    mov (%bx,%si), %dl
    mov (%bx,%di), %dl
    mov (%bp,%si), %dl
    mov (%bp,%di), %dl
    mov (%si), %dl
    mov (%di), %dl
    mov 0x300, %dl
    mov (%bx), %dl
    mov 8(%bx,%si), %dl
    mov -8(%bp), %dl
    mov 0x400(%bp,%di), %dl
    mov 0x700(%si), %dl
    mov %es:(%si), %dl
    mov 4(%ebx,%esi,2), %dl
    mov 0x310, %al
    END
