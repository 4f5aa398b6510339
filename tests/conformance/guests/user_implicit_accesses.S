/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov $3, %ecx
again:
    int $0x31
    dec %ecx
    jnz again
    END
.text
vector_49_dpl3:
    inc %ebx
    iretq
