/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    push $1
    pushl $2
    pop %eax
    pop %ebx
    mov $0xffff, %si
    inc %si
    mov $CODE32, %cx
    ljmpl $CODE32, $in_32_bit
.code32
in_32_bit:
    mov $0xffff, %edi
    inc %edi
    END
