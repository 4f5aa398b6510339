/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    jmp .
vector_64:
    mov %sp, %bp
    mov (%bp), %di
    mov 2(%bp), %bx
    mov 4(%bp), %cx
    mov %sp, %si
    pushf
    pop %ax
    and $IF_FLAG, %ax
    END
