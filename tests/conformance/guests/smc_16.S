/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $100, %bp
again:
    call function
    add %ax, %bx
    incw function + 1
    dec %bp
    jnz again
    END
function:
    mov $1, %ax
    ret
