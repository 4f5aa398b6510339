/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $100, %ebp
again:
    call function
    add %eax, %ebx
    incl function + 1
    dec %ebp
    jnz again
    movl $7, ahead + 1
    jmp ahead
ahead:
    mov $1, %ecx
    END
function:
    mov $1, %eax
    ret
