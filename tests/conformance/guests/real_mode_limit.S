/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x10000, %ebx
store:
    mov %al, (%ebx)
    ud2
vector_13:
    mov %sp, %bp
    mov (%bp), %di
    END
