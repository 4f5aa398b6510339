/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    nop
    END
vector_13:
    mov %sp, %bp
    mov (%bp), %si
    mov 2(%bp), %di
    mov %sp, %dx
    END
