/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x0000ffff, 0x08 /* what an LDT at 0 would have as entry 1: data */
    movl $0x00409300, 0x0c
    mov $0x0c, %eax
    mov $0x77, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    lar %eax, %ebx
    setz %cl
    verr %ax
    setz %dl
load:
    mov %eax, %fs
    ud2
vector_13:
    pop %esi
    mov (%esp), %edi
    END
