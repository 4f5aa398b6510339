/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $100, %ebp
again:
    call function
    add %eax, %ebx
    incl function + 1
    dec %ebp
    jnz again
    END
function:
    mov $1, %eax
    ret
