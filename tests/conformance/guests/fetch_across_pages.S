/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $0x345678b8, 0x20ffd /* mov $0x12345678, %eax; ret */
    movb $0x78, 0x20ffe
    movb $0x56, 0x20fff
    movw $0x1234, 0x21000
    movb $0xc3, 0x21002
    mov $0x20ffd, %ebp
    call *%rbp
    mov %eax, %ebx
    movq $0, PAGE_TABLE + 0x21 * 8
    invlpg 0x21000
    call *%rbp
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    END
