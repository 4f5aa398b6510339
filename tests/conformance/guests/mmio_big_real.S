/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $DATA, %bx
    mov %bx, %ds
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $0, $real
real:
    xor %ax, %ax
    mov %ax, %ds
    mov $0x10000000, %ebx
    mov $0x11223344, %eax
    mov %eax, (%ebx)
    mov %ax, 4(%ebx)
    mov 8(%ebx), %cl
    addl $1, 12(%ebx)
    END
