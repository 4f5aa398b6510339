/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $-1, %rax
    in $0x20, %al
    mov %rax, %rbx
    mov $-1, %rax
    in $0x21, %ax
    mov %rax, %rcx
    mov $-1, %rax
    in $0x22, %eax
    mov %rax, %rsi
    mov $0x1234, %dx
    mov $-1, %rax
    in %dx, %al
    mov %rax, %rdi
    mov $-1, %rax
    in %dx, %ax
    mov %rax, %rbp
    mov $-1, %rax
    in %dx, %eax
    END
