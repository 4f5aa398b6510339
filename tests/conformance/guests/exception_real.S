/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    nop
    END
vector_13:
    mov %sp, %bp
    mov (%bp), %di
    mov 2(%bp), %bx
    mov %sp, %dx
    END
