/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x1000, %ax
    mov %ax, %ss
    mov $0x200, %sp
    int $0x30
after:
    int3
after_bp:
    END
vector_48:
    mov %sp, %bp
    mov (%bp), %di
    mov 2(%bp), %bx
    iret
vector_3:
    mov %sp, %bp
    mov (%bp), %dx
    iret
