/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $CODE32, $in_protected_mode
.code32
in_protected_mode:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0xfff0, %esp
    movl $0x2003, 0x1000
    movl $0x3003, 0x2000
    movl $0x0083, 0x3000
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0x1000, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    rdmsr
    mov %eax, %esi
    ljmp $CODE64, $in_long_mode
.code64
in_long_mode:
    mov $0x123456789abcdef0, %rbx
    push %rbx
    pop %rdi
    END
