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
    mov $0x1f0000, %ebx
    movl $0x12345678, (%ebx)
    mov $0x1000, %ax
    mov %ax, %ds /* the limit stays */
    movl $0x9abcdef0, (%ebx)
    mov %cr0, %eax
    and $1, %eax
    END
