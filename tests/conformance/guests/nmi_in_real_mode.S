/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    hlt
halted:
    mov $2, %bx
    END
vector_2:
    mov %sp, %bp
    mov (%bp), %di
    mov $1, %si
    iret
