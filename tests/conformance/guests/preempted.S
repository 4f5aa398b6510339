/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    xor %ebx, %ebx
loop:
    inc %rbx
    test %eax, %eax
    jz loop
    END
