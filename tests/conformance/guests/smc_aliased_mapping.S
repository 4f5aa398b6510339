/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0x8003, PAGE_TABLE + 0x23 * 8
    invlpg 0x23000
    mov $100, %ebp
    mov %cr3, %rdx
again:
    call function
    add %eax, %ebx
    incl 0x23000 - 0x8000 + function + 1
    mov %rdx, %cr3 /* serializes */
    dec %ebp
    jnz again
    call 0x23000 - 0x8000 + function
    END
function:
    mov $1, %eax
    ret
