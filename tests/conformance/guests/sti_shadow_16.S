/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    sti
    inc %ebx
window:
    inc %ebx
    END
vector_32:
    mov %sp, %bp
    mov (%bp), %di
    END
