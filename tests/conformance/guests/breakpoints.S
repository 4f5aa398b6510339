/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $counter, %eax
    mov %rax, %dr0
    mov $marked, %eax
    mov %rax, %dr1
    mov $0x000d0405, %eax /* L0: stores of 4 bytes; L1: execution */
    mov %rax, %dr7
    xor %ebx, %ebx
    incl counter
after_store:
    mov counter, %ecx
marked:
    nop
    mov $2, %ecx
    mov $counter, %edi
    mov $7, %al
    rep stosb
after_rep:
    xor %eax, %eax
    mov %rax, %dr7
    incl counter
    END
vector_1:
    mov (%rsp), %rax
    mov %rax, 0x21000(,%rbx,8)
    mov %dr6, %rax
    mov %rax, 0x21100(,%rbx,8)
    mov $0xffff0ff0, %eax
    mov %rax, %dr6
    inc %ebx
    mov $7, %al
    iretq
.balign 8
counter:
    .quad 0
