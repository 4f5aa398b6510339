/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov %cr0, %eax
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $0, $in_real_mode
in_real_mode:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    lidt idt
    movw $handler, 0xc0
    movw $0, 0xc2
    mov $0x1234, %ax
    mov %ax, %ds
    movw $0x4321, 0x20
    int $0x30
    END
handler:
    mov $9, %bx
    iret
.data
idt:
    .word 0x3ff
    .long 0
